"""Files in, files out: decode, plan, enlarge, encode; refusals come before the work that they spare."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sparsesr.engine.execute import Cancelled, RunOptions
from sparsesr.engine.plan import PROCESS_BYTES
from sparsesr.engine.upscaler import Upscaler, UpscaleResult, result_of
from sparsesr.errors import LimitError
from sparsesr.image.decode import decode
from sparsesr.image.destination import check_destination
from sparsesr.image.encode import Encoded, encode
from sparsesr.image.picture import Picture
from sparsesr.limits import ImageLimits

_LIMITS = ImageLimits()
_WRITABLE = ("jpeg", "png", "webp", "tiff")


@dataclass(frozen=True)
class Writing:
    """How a result is written."""

    overwrite: bool = False
    format: str | None = None
    """jpeg, png, webp or tiff; None: by the extension, or as the input."""
    quality: int | None = None
    depth: int | None = None


@dataclass(frozen=True)
class FileResult:
    """What enlarging a file did; ``result.image`` is the path written, or the bytes of the file."""

    result: UpscaleResult
    size: tuple[int, int]
    """(height, width) of the input, upright."""


def enlarge_file(
    upscaler: Upscaler, source: Path | bytes, destination: Path | None, options: RunOptions, writing: Writing
) -> FileResult:
    """Enlarge an encoded picture into ``destination``, or into bytes if that is None.

    Raises InputError, LimitError, UsageError, CancelledError or ResultError; then nothing was written.
    """
    start = time.perf_counter()
    if destination is not None:
        check_destination(destination, 1, 1, overwrite=writing.overwrite, format=writing.format)
    picture = _decoded(source, upscaler, options.cancelled)
    kind = _format(picture, destination, writing)
    height, width = picture.height * upscaler.scale, picture.width * upscaler.scale
    kind = check_destination(destination, height, width, overwrite=writing.overwrite, format=kind)
    plan = upscaler.plan(picture.rgb, has_alpha=picture.alpha is not None, kind=kind)
    enlarged, done = upscaler.picture(picture, plan, options)
    written = _encoded(enlarged, destination, kind, writing, options.cancelled)
    image: Any = written.data if destination is None else destination
    notes = [*enlarged.notes, *written.notes]
    return FileResult(result_of(image, done, notes, plan, start), (picture.height, picture.width))


def _decoded(source: Path | bytes, upscaler: Upscaler, cancelled: Cancelled | None) -> Picture:
    """Decode what can be enlarged within the memory limit, beside buffers that are kept or else without them."""
    most_px = _pixels_within(upscaler.memory, upscaler.scale)
    beside_px = _pixels_within(upscaler.memory - upscaler.idle_bytes, upscaler.scale)
    if beside_px < most_px:
        with contextlib.suppress(LimitError):
            return decode(source, replace(_LIMITS, max_pixels=beside_px), cancelled)
        upscaler.release_buffers()
    try:
        return decode(source, replace(_LIMITS, max_pixels=most_px), cancelled)
    except LimitError as error:
        if most_px == _LIMITS.max_pixels:
            raise
        raise LimitError(str(error).replace("raise max_pixels", "raise --memory")) from None


def _pixels_within(memory: int, scale: int) -> int:
    """Pixels of an input that fits with its result; at most as many as are decoded at all."""
    return min(max((memory - PROCESS_BYTES) // (3 + 3 * scale**2), 1), _LIMITS.max_pixels)


def _format(picture: Picture, destination: Path | None, writing: Writing) -> str | None:
    if writing.format is not None or destination is not None:
        return writing.format
    return picture.source_format if picture.source_format in _WRITABLE else "png"


def _encoded(
    picture: Picture,
    destination: Path | None,
    kind: str | None,
    writing: Writing,
    cancelled: Cancelled | None,
) -> Encoded:
    return encode(
        picture,
        destination,
        format=kind,
        quality=writing.quality,
        depth=writing.depth,
        overwrite=writing.overwrite,
        cancelled=cancelled,
    )
