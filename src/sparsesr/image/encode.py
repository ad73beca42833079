"""``encode``: a ``DecodedImage`` to a file or bytes, whole or not at all, with its metadata."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyvips

from sparsesr.errors import InputError, Parameter, UsageError, Wording, check_cancelled
from sparsesr.image import colour, vips
from sparsesr.image.decoded_image import DecodedImage, Metadata, Pixels
from sparsesr.image.destination import Destination, atomic_file, checked_destination, write_error
from sparsesr.image.fitting import fitting_metadata
from sparsesr.image.formats import FORMATS, OutputFormat
from sparsesr.image.savers import SAVERS, Prepared
from sparsesr.image.stored_planes import stored_planes

DEFAULT_QUALITY = 95
# If the source states none: libvips completes the EXIF of AVIF by it, as the standard demands. PNG and TIFF state none.
_SCREEN_PIXELS_PER_MM = 72 / 25.4
_WORKING_BYTES_AT_LEAST = 16_000_000
_MAX_QUALITY = 100


def working_bytes(kind: str, height: int, width: int) -> int:
    """Memory that ``encode`` needs for an image of this size, in addition to its pixels."""
    return _WORKING_BYTES_AT_LEAST + FORMATS[kind].working_bytes_per_px * height * width


@dataclass(frozen=True)
class EncodeOptions:
    """How an image is encoded; UsageError for invalid values."""

    quality: int | None = None
    """1 to 100, for formats with loss; default 95."""
    depth: int | None = None
    """8 or 16 bits per sample; default: as the source."""
    lossless: bool = False
    """Without loss, for WebP, AVIF and JPEG XL. A WebP from a lossless WebP is lossless anyway."""
    strip: bool = False
    """Leave out all metadata but the colour profile."""
    times_ns: tuple[int, int] | None = None
    """Times of the last access and modification that the file gets, in nanoseconds."""

    def __post_init__(self) -> None:
        if self.quality is not None and not 1 <= self.quality <= _MAX_QUALITY:
            raise UsageError(f"must be 1 to {_MAX_QUALITY}, not {self.quality}", where=Parameter("quality"))
        if self.depth not in (None, 8, 16):
            raise UsageError(f"must be 8 or 16, not {self.depth}", where=Parameter("depth"))
        if self.lossless and self.quality is not None:
            remedy = Wording("leave out {} or {}", "lossless", "quality")
            raise UsageError(
                "an image without loss has no quality", where=Parameter("quality"), remedy=remedy
            )


_DEFAULTS = EncodeOptions()


@dataclass
class Encoded:
    """The result of ``encode``."""

    format: str
    size_bytes: int
    data: bytes | None = None
    """The encoded file, if no path was given."""
    notes: list[str] = field(default_factory=list[str])
    """What the format cannot store, one sentence each."""


def encode(
    image: DecodedImage,
    destination: Path | None,
    *,
    format: str | None = None,
    options: EncodeOptions = _DEFAULTS,
    overwrite: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> Encoded:
    """Write ``image`` to ``destination``, or return it as bytes if that is None.

    The format is taken from ``format`` or the extension. Raises the errors of ``checked_destination`` and
    :func:`encode_to`.
    """
    checked = checked_destination(destination, overwrite=overwrite, format=format)
    checked.check_size(image.height, image.width)
    return encode_to(image, checked, options, cancelled)


def encode_to(
    image: DecodedImage,
    destination: Destination,
    options: EncodeOptions = _DEFAULTS,
    cancelled: Callable[[], bool] | None = None,
) -> Encoded:
    """As :func:`encode`, to a destination that has been checked for an image of this size.

    Grey stays grey; alpha and 16 bits are kept if the format can store them, otherwise the notes say so. Raises
    UsageError for lossless JPEG, InputError if writing fails, or CancelledError soon after ``cancelled`` returns True;
    no file appears then.
    """
    check_lossless(destination, options)
    prepared, notes = _prepare(image, FORMATS[destination.format], options)
    if destination.path is None:
        buffer = io.BytesIO()
        _write(prepared, buffer, destination, cancelled)
        data = buffer.getvalue()
        return Encoded(destination.format, len(data), data, notes)
    with atomic_file(destination.path, overwrite=destination.overwrite) as file:
        _write(prepared, file, destination, cancelled)
        check_cancelled(cancelled)
        size = file.seek(0, io.SEEK_END)
        if options.times_ns is not None:
            file.flush()
            os.utime(file.fileno() if os.utime in os.supports_fd else file.name, ns=options.times_ns)
    return Encoded(destination.format, size, None, notes)


def check_lossless(destination: Destination, options: EncodeOptions) -> None:
    """Raise UsageError if the format always loses something although nothing may be lost."""
    form = FORMATS[destination.format]
    if options.lossless and form.compression == "lossy":
        raise UsageError(
            f"{form.name} always loses something",
            where=destination.name,
            remedy=Wording("leave out {} or choose another {}", "lossless", "format"),
        )


def _prepare(image: DecodedImage, form: OutputFormat, options: EncodeOptions) -> tuple[Prepared, list[str]]:
    notes: list[str] = []
    bits = options.depth or image.bits
    if bits > form.max_bits:
        notes.append(f"16 bits reduced to {form.max_bits}: {form.name} stores no more")
    if image.layout == "grey" and not form.has_grey and image.metadata.icc is not None:
        image = _without_grey_profile(image, image.metadata.icc)
        notes.append(
            f"converted to sRGB: {form.name} stores grey as RGB, for which its colour profile is not"
        )
    planes = _planes(image, form, 16 if bits > 8 and form.max_bits > 8 else 8, notes)
    vips_image = vips.image_over(planes[0])
    if len(planes) == 2:
        vips_image = vips_image.bandjoin(vips.image_over(planes[1]))
    if options.strip:
        image = replace(image, metadata=image.metadata.stripped())
    metadata = fitting_metadata(image, form, notes)
    stays_lossless = image.is_lossless and form.kind == image.source_format and options.quality is None
    prepared = Prepared(
        _with_metadata(vips_image, metadata),
        metadata,
        options.quality or DEFAULT_QUALITY,
        options.lossless or stays_lossless,
        min(bits, form.max_bits),
        planes,
    )
    return prepared, notes


def _without_grey_profile(image: DecodedImage, icc: bytes) -> DecodedImage:
    """The grey image in sRGB, as which the working samples of linear light are coded already."""
    bare = replace(image, transfer="gamma", metadata=replace(image.metadata, icc=None))
    if image.transfer == "linear" or not colour.is_well_formed(icc, 1):
        return bare
    table = colour.grey_to_srgb_table(icc, image.rgb.dtype.itemsize * 8)
    return replace(bare, rgb=colour.look_up(table, image.rgb))


def _planes(image: DecodedImage, form: OutputFormat, bits: int, notes: list[str]) -> list[Pixels]:
    """Return the colour planes, and alpha if the format stores it, at the depth of the file."""
    if image.alpha is not None and not form.has_alpha:
        notes.append(f"transparency composited on white: {form.name} has no alpha")
        image = image.with_pixels(_on_white(image.rgb, image.alpha), None)
    return stored_planes(image, bits)


def _on_white(rgb: Pixels, alpha: Pixels) -> Pixels:
    peak = int(np.iinfo(rgb.dtype).max)
    out = np.empty_like(rgb)
    for row in range(len(rgb)):  # row by row, to avoid a wider copy of the image
        weight = alpha[row, :, None].astype(np.uint64)
        out[row] = (rgb[row] * weight + peak * (peak - weight) + peak // 2) // peak
    return out


def _with_metadata(image: pyvips.Image, metadata: Metadata) -> pyvips.Image:
    xres, yres = metadata.pixels_per_mm or (_SCREEN_PIXELS_PER_MM, _SCREEN_PIXELS_PER_MM)
    image = vips.as_ordinary(image).copy(xres=xres, yres=yres)
    for name, blob in (("icc-profile-data", metadata.icc), ("xmp-data", metadata.xmp)):
        if blob is not None:
            vips.set_blob(image, name, blob)
    return image


def _write(
    prepared: Prepared, file: BinaryIO, destination: Destination, cancelled: Callable[[], bool] | None
) -> None:
    try:
        vips.run(prepared.image, lambda: SAVERS[destination.format](prepared, file), cancelled)
    except OSError as error:
        raise write_error(destination.path, error) from None
    except pyvips.Error as error:
        check_cancelled(cancelled)
        raise InputError(
            f"cannot be encoded ({vips.reason(error)})",
            where=destination.name,
            remedy=Wording("try another {}", "format"),
        ) from None
