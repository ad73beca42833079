"""Upscaling of one file: decode, plan, upscale, encode. Errors are raised as early as possible."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sparsesr.engine.arguments import check_whole_numbers
from sparsesr.engine.execute import Cancelled, RunOptions
from sparsesr.engine.plan import PROCESS_BYTES
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.route import Route
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import LimitError, ResultError, Wording
from sparsesr.image.decode import decode
from sparsesr.image.decoded_image import DecodedImage
from sparsesr.image.destination import Destination, checked_destination, resolve_format
from sparsesr.image.encode import EncodeOptions, check_lossless, encode_to, working_bytes
from sparsesr.image.formats import FORMATS
from sparsesr.image.header import stated_pixels
from sparsesr.image.source import check_readable
from sparsesr.image.vips_threads import is_lost
from sparsesr.jobs.budget_share import BudgetShare
from sparsesr.limits import ImageLimits

_LIMITS = ImageLimits()
_MEGABYTE = 1_000_000
Seen = Callable[[DecodedImage, DecodedImage], None]
"""Called with the input and the finished image, before that is encoded."""


@dataclass(frozen=True)
class WriteOptions:
    """How a result is written; UsageError for invalid values."""

    overwrite: bool = False
    format: str | None = None
    """jpeg, png, webp, tiff, avif or jxl, or an extension; None: by the output's extension, or as the input."""
    quality: int | None = None
    depth: int | None = None
    lossless: bool = False
    strip: bool = False
    """See :class:`EncodeOptions`."""
    preserve_time: bool = False
    """Give the output the times of the input file."""

    def __post_init__(self) -> None:
        check_whole_numbers(quality=self.quality, depth=self.depth)
        self.encoding()
        if self.format is not None:
            object.__setattr__(self, "format", resolve_format(None, self.format))

    def encoding(self, source: Path | bytes | None = None) -> EncodeOptions:
        """The options of the encoder; with the times of ``source`` if they are to be preserved."""
        times = None
        if self.preserve_time and isinstance(source, Path):
            found = source.stat()
            times = (found.st_atime_ns, found.st_mtime_ns)
        return EncodeOptions(self.quality, self.depth, self.lossless, self.strip, times)


@dataclass(frozen=True)
class FileResult:
    """The result of upscaling a file."""

    upscaled: UpscaleResult
    """Its ``image`` is the path written, or the bytes of the file."""
    size: tuple[int, int]
    """(height, width) of the input, upright."""
    model: str
    """The first network for this image, and for most sizes the only one."""
    precision: str
    """In which it ran: fp32, bf16 or int8."""
    precision_reason: str
    """Why, in a sentence."""
    jpeg_quality: int | None = None
    """Of the input; default models depend on it. None if it is no JPEG."""
    share: BudgetShare | None = None
    """What the image got of a batch's budget, if there was one."""


@dataclass(frozen=True)
class _PreparedFile:
    """A decoded input with its destination and route."""

    image: DecodedImage
    upscaler: Upscaler
    """The one for such images."""
    destination: Destination
    route: Route

    def result(self, upscaled: UpscaleResult) -> FileResult:
        """The report about it."""
        network, image = self.upscaler.network_for(self.route.scales[0]), self.image
        session = network.session
        return FileResult(
            upscaled,
            (image.height, image.width),
            network.name,
            session.precision,
            session.precision_reason,
            image.jpeg_quality,
        )


@dataclass(frozen=True)
class _Afresh:
    """:func:`upscale_file` for a process of its own."""

    upscaler: Upscaler
    source: Path | bytes
    path: Path | None
    write_options: WriteOptions
    name: str | None

    def __call__(self, options: RunOptions) -> FileResult:
        return upscale_file(self.upscaler, self.source, self.path, options, self.write_options, self.name)


def upscale_file(
    upscaler: Upscaler,
    source: Path | bytes,
    path: Path | None,
    options: RunOptions,
    write_options: WriteOptions,
    name: str | None = None,
    *,
    limits: ImageLimits = _LIMITS,
    seen: Seen | None = None,
) -> FileResult:
    """Upscale an encoded image to the file ``path``, or to bytes if that is None.

    If the upscaler has default models, those for a JPEG depend on its quality, see :meth:`Upscaler.for_jpeg`.
    ``name`` names ``source`` in messages if it is bytes. In a process that was forked from one that had used libvips,
    the work is done by a new process, within the usual limits and not ``seen``. Jobs that share an upscaler wait for
    each other if its memory is too small for both. Raises InputError, LimitError, UsageError, CancelledError or
    ResultError, without having written anything.
    """
    if is_lost():
        from sparsesr.jobs.fresh_process import run_afresh  # multiprocessing takes long to import

        work = _Afresh(upscaler, source, path, write_options, name)
        with upscaler.budget.reserved(upscaler.budget.total_bytes, options.cancelled):
            return run_afresh(work, options)
    start = time.perf_counter()
    if isinstance(source, Path):
        check_readable(source)  # first: a name misspelled is worth more than what follows from it
    encoding = write_options.encoding(source)  # before decoding, which may change the time of access
    known = (
        None
        if path is None
        else checked_destination(path, overwrite=write_options.overwrite, format=write_options.format)
    )
    if known is not None:
        check_lossless(known, encoding)
    with contextlib.ExitStack() as held:
        with upscaler.budget.entrance(options.cancelled):
            image = decoded(upscaler, source, name, options.cancelled, limits)
            destination = known or Destination(None, _format(image, write_options))
            check_lossless(destination, encoding)
            prepared = _prepared(upscaler.for_jpeg(image.jpeg_quality), image, destination, limits)
            held.enter_context(upscaler.reserved(prepared.route, options.cancelled))
        upscaled = _upscaled(prepared, options, encoding, seen)
    return prepared.result(replace(upscaled, seconds=time.perf_counter() - start))


def _prepared(
    upscaler: Upscaler, image: DecodedImage, destination: Destination, limits: ImageLimits
) -> _PreparedFile:
    height, width = upscaler.route(image.height, image.width).size
    if limits.max_result_pixels is not None and height * width > limits.max_result_pixels:
        raise LimitError(
            f"the result would have {height * width / 1e6:.0f} megapixels, over the limit of"
            f" {limits.max_result_pixels / 1e6:.0f}",
            remedy=Wording("choose a smaller {}", "scale"),
        )
    destination.check_size(height, width)
    encoder_bytes = working_bytes(destination.format, height, width)
    has_alpha = image.alpha is not None
    route = upscaler.planned_route(image.rgb, has_alpha=has_alpha, encoder_bytes=encoder_bytes)
    return _PreparedFile(image, upscaler, destination, route)


def _upscaled(
    prepared: _PreparedFile, options: RunOptions, encoding: EncodeOptions, seen: Seen | None
) -> UpscaleResult:
    """Upscale and write; the ``image`` of the result is the path or the bytes written."""
    image, upscaler = prepared.image, prepared.upscaler
    try:
        result, alpha = upscaler.upscale_planes(image.rgb, image.alpha, prepared.route, options)
    except ResultError as error:
        raise ResultError(f"{error.what}; nothing was written", remedy=error.remedy) from error
    finished = image.with_pixels(result.image, alpha)
    if seen is not None:
        seen(image, finished)
    try:
        written = encode_to(finished, prepared.destination, encoding, options.cancelled)
    except MemoryError:
        upscaler.release_buffers()
        written = encode_to(finished, prepared.destination, encoding, options.cancelled)
    output = written.data if prepared.destination.path is None else prepared.destination.path
    return replace(result, image=output, notes=(*image.notes, *result.notes, *written.notes))


def decoded(
    upscaler: Upscaler,
    source: Path | bytes,
    name: str | None,
    cancelled: Cancelled | None,
    limits: ImageLimits,
) -> DecodedImage:
    """Decode an image that fits the memory limit, if necessary after other jobs and kept buffers have freed theirs."""
    most = _within(limits, upscaler.memory, upscaler.scale)
    taken = upscaler.idle_bytes + upscaler.budget.reserved_bytes
    free = _within(limits, upscaler.memory - taken, upscaler.scale)
    if free == most:
        return _decoded_within(most, limits, upscaler, source, name, cancelled)
    with contextlib.suppress(LimitError):
        return decode(source, free, cancelled, name)
    with upscaler.budget.reserved(upscaler.budget.total_bytes, cancelled):
        upscaler.release_buffers()
        return _decoded_within(most, limits, upscaler, source, name, cancelled)


def _decoded_within(
    most: ImageLimits,
    limits: ImageLimits,
    upscaler: Upscaler,
    source: Path | bytes,
    name: str | None,
    cancelled: Cancelled | None,
) -> DecodedImage:
    """``most``: what of the job's ``limits`` the memory leaves."""
    try:
        return decode(source, most, cancelled, name)
    except LimitError as error:
        if not (error.asks_for("max_pixels") or error.asks_for("max_file_bytes")):
            raise
        # Jobs have no parameters for the limits of the decoder; only the memory can be the caller's.
        if most.max_pixels < limits.max_pixels and error.asks_for("max_pixels"):
            what, remedy = _memory_needed(error, upscaler, source), _more_memory(upscaler)
            raise LimitError(what, where=error.where, remedy=remedy) from None
        raise LimitError(error.what, where=error.where, remedy="shrink it or cut it into parts") from None


def _memory_needed(error: LimitError, upscaler: Upscaler, source: Path | bytes) -> str:
    """What is wrong with an image whose pixels alone take more than the memory: how much it needs, if that is known."""
    limit = f"{upscaler.memory // _MEGABYTE} MB"
    pixels = stated_pixels(source) if isinstance(source, Path) else None
    least = PROCESS_BYTES + (pixels or 0) * _bytes_per_pixel(upscaler.scale)
    if least <= upscaler.memory or pixels is None:
        return f"{error.what}, which is what {limit} of memory leave"
    return f"needs at least {-(-least // _MEGABYTE)} MB of memory, but the limit is {limit}"


def _more_memory(upscaler: Upscaler) -> Wording:
    """The remedy, which also holds if no limit was given: then it is a share of what is free."""
    if upscaler.memory <= PROCESS_BYTES:  # no image is small enough
        return Wording("allow more with {}", "memory")
    return Wording("shrink it, or allow more with {}", "memory")


def _within(limits: ImageLimits, memory: int, scale: int) -> ImageLimits:
    """The limits with the pixels of the largest input that fits into the memory together with its result."""
    fitting = max((memory - PROCESS_BYTES) // _bytes_per_pixel(scale), 1)
    return replace(limits, max_pixels=min(fitting, limits.max_pixels))


def _bytes_per_pixel(scale: int) -> int:
    """Of an input, together with its result."""
    return 3 + 3 * scale**2


def _format(image: DecodedImage, write_options: WriteOptions) -> str:
    """The format of output to memory."""
    own = image.source_format if image.source_format in FORMATS else "png"
    return write_options.format or own
