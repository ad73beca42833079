"""One file in, one file out: decode, plan, upscale, encode; refusals come before the work that they spare."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

from sparsesr.engine.execute import Cancelled, RunOptions
from sparsesr.engine.plan import PROCESS_BYTES, Plan
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import LimitError, ResultError, Wording
from sparsesr.image.decode import decode
from sparsesr.image.destination import Destination, checked_destination, resolve_format
from sparsesr.image.encode import check_quality_and_depth, encode_to, working_bytes
from sparsesr.image.picture import Picture
from sparsesr.limits import ImageLimits

_LIMITS = ImageLimits()
_WRITABLE = ("jpeg", "png", "webp", "tiff")


@dataclass(frozen=True)
class Writing:
    """How a result is written; UsageError for what cannot be."""

    overwrite: bool = False
    format: str | None = None
    """jpeg, png, webp or tiff, or an extension of theirs; None: by the extension, or as the input."""
    quality: int | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        check_quality_and_depth(self.quality, self.depth)
        if self.format is not None:
            object.__setattr__(self, "format", resolve_format(None, self.format))


@dataclass(frozen=True)
class FileResult:
    """What upscaling a file did."""

    upscaled: UpscaleResult
    """Its ``image`` is the path that was written, or the bytes of the file."""
    size: tuple[int, int]
    """(height, width) of the input, upright."""


@dataclass(frozen=True)
class _Opened:
    """A decoded input and what will become of it."""

    picture: Picture
    destination: Destination
    plan: Plan


def upscale_file(
    upscaler: Upscaler,
    source: Path | bytes,
    path: Path | None,
    options: RunOptions,
    writing: Writing,
    name: str | None = None,
) -> FileResult:
    """Upscale an encoded image into the file ``path``, or into bytes if that is None.

    ``name`` is what messages call ``source`` if that is bytes. Jobs that share an upscaler wait for each other
    where its memory is too little for both. Raises InputError, LimitError, UsageError, CancelledError or
    ResultError; then nothing was written.
    """
    start = time.perf_counter()
    known = (
        None
        if path is None
        else checked_destination(path, overwrite=writing.overwrite, format=writing.format)
    )
    with contextlib.ExitStack() as held:
        with upscaler.budget.entrance(options.cancelled):
            picture = _decoded(upscaler, source, name, options.cancelled)
            opened = _opened(upscaler, picture, known or Destination(None, _format(picture, writing)))
            held.enter_context(upscaler.reserved(opened.plan, options.cancelled))
        upscaled = _upscaled(upscaler, opened, options, writing)
    size = (picture.height, picture.width)
    return FileResult(replace(upscaled, seconds=time.perf_counter() - start), size)


def _opened(upscaler: Upscaler, picture: Picture, destination: Destination) -> _Opened:
    height, width = picture.height * upscaler.scale, picture.width * upscaler.scale
    destination.check_size(height, width)
    encoder_bytes = working_bytes(destination.format, height, width)
    plan = upscaler.plan(picture.rgb, has_alpha=picture.alpha is not None, encoder_bytes=encoder_bytes)
    return _Opened(picture, destination, plan)


def _upscaled(upscaler: Upscaler, opened: _Opened, options: RunOptions, writing: Writing) -> UpscaleResult:
    """Upscale and write; the image of the result is what was written."""
    picture = opened.picture
    try:
        result, alpha = upscaler.upscale_planes(picture.rgb, picture.alpha, opened.plan, options)
    except ResultError as error:
        raise ResultError(f"{error.what}; nothing was written", remedy=error.remedy) from error
    written = encode_to(
        picture.with_pixels(result.image, alpha),
        opened.destination,
        quality=writing.quality,
        depth=writing.depth,
        cancelled=options.cancelled,
    )
    image = written.data if opened.destination.path is None else opened.destination.path
    return replace(result, image=image, notes=(*picture.notes, *result.notes, *written.notes))


def _decoded(
    upscaler: Upscaler, source: Path | bytes, name: str | None, cancelled: Cancelled | None
) -> Picture:
    """Decode what can be upscaled within the memory limit, beside what is in use or kept or else without it."""
    most_px = _pixels_within(upscaler.memory, upscaler.scale)
    taken = upscaler.idle_bytes + upscaler.budget.reserved_bytes
    beside_px = _pixels_within(upscaler.memory - taken, upscaler.scale)
    if beside_px == most_px:
        return _decoded_within(most_px, source, name, cancelled)
    with contextlib.suppress(LimitError):
        return decode(source, replace(_LIMITS, max_pixels=beside_px), cancelled, name)
    with upscaler.budget.reserved(upscaler.budget.total_bytes, cancelled):
        upscaler.release_buffers()
        return _decoded_within(most_px, source, name, cancelled)


def _decoded_within(
    most_px: int, source: Path | bytes, name: str | None, cancelled: Cancelled | None
) -> Picture:
    try:
        return decode(source, replace(_LIMITS, max_pixels=most_px), cancelled, name)
    except LimitError as error:
        if most_px == _LIMITS.max_pixels or not error.asks_for("max_pixels"):
            raise
        remedy = Wording("shrink it or raise {}", "memory")
        raise LimitError(error.what, where=error.where, remedy=remedy) from None


def _pixels_within(memory: int, scale: int) -> int:
    """Pixels of an input that fits with its result; at most as many as are decoded at all."""
    return min(max((memory - PROCESS_BYTES) // (3 + 3 * scale**2), 1), _LIMITS.max_pixels)


def _format(picture: Picture, writing: Writing) -> str:
    """The format where no name of a file says it."""
    own = picture.source_format if picture.source_format in _WRITABLE else "png"
    return writing.format or own
