"""``encode``: a ``DecodedImage`` to JPEG, PNG, WebP or TIFF, whole or not at all, with its metadata."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyvips

from sparsesr.errors import InputError, Parameter, UsageError, Wording, check_cancelled
from sparsesr.image import exif, vips, xmp
from sparsesr.image.containers import (
    HEAD_BYTES,
    JPEG_SEGMENT_MAX_BYTES,
    insert_in_jpeg,
    insert_in_png,
    webp_with_exif,
)
from sparsesr.image.decoded_image import DecodedImage, Metadata, Pixels
from sparsesr.image.destination import Destination, atomic_file, checked_destination, write_error
from sparsesr.image.png_colours import stated_by_png
from sparsesr.image.stored_planes import stored_planes
from sparsesr.image.tiff_tags import append_exif

DEFAULT_QUALITY = 95
_BIG_TIFF_ABOVE_BYTES = 3_500_000_000
# Without EXIF, which is inserted afterwards, byte for byte.
_KEEP = pyvips.enums.ForeignKeep.ICC | pyvips.enums.ForeignKeep.XMP
_SCREEN_PIXELS_PER_MM = 72 / 25.4


# Memory of an encoder in addition to the pixels; measured with libvips 8.18, rounded up.
_WORKING_BYTES_PER_PX = {"jpeg": 16, "png": 4, "webp": 36, "tiff": 12}
_WORKING_BYTES_AT_LEAST = 16_000_000


def working_bytes(kind: str, height: int, width: int) -> int:
    """Memory that ``encode`` needs for an image of this size, in addition to its pixels."""
    return _WORKING_BYTES_AT_LEAST + _WORKING_BYTES_PER_PX[kind] * height * width


@dataclass
class Encoded:
    """The result of ``encode``."""

    format: str
    size_bytes: int
    data: bytes | None = None
    """The encoded file, if no path was given."""
    notes: list[str] = field(default_factory=list[str])
    """What the format cannot store, one sentence each."""


@dataclass
class _Prepared:
    """All decisions made before the first byte is written."""

    format: str
    image: pyvips.Image
    metadata: Metadata
    quality: int
    notes: list[str]
    keep_alive: list[Pixels]


def encode(
    image: DecodedImage,
    destination: Path | None,
    *,
    format: str | None = None,
    quality: int | None = None,
    depth: int | None = None,
    overwrite: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> Encoded:
    """Write ``image`` to ``destination``, or return it as bytes if that is None.

    The format is taken from ``format`` or the extension. Raises the errors of ``checked_destination``,
    ``check_quality_and_depth`` and :func:`encode_to`.
    """
    checked = checked_destination(destination, overwrite=overwrite, format=format)
    checked.check_size(image.height, image.width)
    check_quality_and_depth(quality, depth)
    return encode_to(image, checked, quality=quality, depth=depth, cancelled=cancelled)


def encode_to(
    image: DecodedImage,
    destination: Destination,
    *,
    quality: int | None = None,
    depth: int | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Encoded:
    """As :func:`encode`, to a destination that has been checked for an image of this size.

    ``quality``, 1 to 100, applies to JPEG and WebP (default 95). ``depth``, 8 or 16, overrides that of the source.
    Grey stays grey; alpha and 16 bits are kept if the format can store them, otherwise the notes say so. Raises
    InputError if writing fails, or CancelledError soon after ``cancelled`` returns True; no file appears then.
    """
    prepared = _prepare(image, destination.format, quality, depth)
    if destination.path is None:
        buffer = io.BytesIO()
        _write(prepared, buffer, destination, cancelled)
        data = buffer.getvalue()
        return Encoded(destination.format, len(data), data, prepared.notes)
    with atomic_file(destination.path, overwrite=destination.overwrite) as file:
        _write(prepared, file, destination, cancelled)
        check_cancelled(cancelled)
        size = file.seek(0, io.SEEK_END)
    return Encoded(destination.format, size, None, prepared.notes)


def check_quality_and_depth(quality: int | None, depth: int | None) -> None:
    """Raise UsageError for values that ``encode_to`` does not accept."""
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"must be 1 to 100, not {quality}", where=Parameter("quality"))
    if depth not in (None, 8, 16):
        raise UsageError(f"must be 8 or 16, not {depth}", where=Parameter("depth"))


def _prepare(image: DecodedImage, kind: str, quality: int | None, depth: int | None) -> _Prepared:
    notes: list[str] = []
    bits = depth or image.bits
    if bits == 16 and kind in ("jpeg", "webp"):
        notes.append(f"16 bits reduced to 8: {kind.upper()} stores no more")
        bits = 8
    planes = _planes(image, kind, bits, notes)
    vips_image = vips.image_over(planes[0])
    if len(planes) == 2:
        vips_image = vips_image.bandjoin(vips.image_over(planes[1]))
    metadata = _fitting_metadata(image, kind, notes)
    vips_image = _with_metadata(vips_image, image.layout, bits, metadata)
    return _Prepared(kind, vips_image, metadata, quality or DEFAULT_QUALITY, notes, planes)


def _planes(image: DecodedImage, kind: str, bits: int, notes: list[str]) -> list[Pixels]:
    """Return the colour planes, and alpha if the format stores it, at the depth of the file."""
    if image.alpha is not None and kind == "jpeg":
        notes.append("transparency composited on white: JPEG has no alpha")
        image = image.with_pixels(_on_white(image.rgb, image.alpha), None)
    return stored_planes(image, bits)


def _on_white(rgb: Pixels, alpha: Pixels) -> Pixels:
    peak = int(np.iinfo(rgb.dtype).max)
    out = np.empty_like(rgb)
    for row in range(len(rgb)):  # row by row, to avoid a wider copy of the image
        weight = alpha[row, :, None].astype(np.uint64)
        out[row] = (rgb[row] * weight + peak * (peak - weight) + peak // 2) // peak
    return out


def _fitting_metadata(image: DecodedImage, kind: str, notes: list[str]) -> Metadata:
    """Return the metadata that the format can store, with EXIF and XMP updated."""
    metadata = image.metadata
    is_grey_file = image.layout == "grey" and kind != "webp"  # WebP stores grey as RGB
    if metadata.icc is not None and (metadata.icc[16:20] == b"GRAY") != is_grey_file:
        notes.append("colour profile left out: it is for another kind of image")
        metadata = replace(metadata, icc=None)
    stated = None if kind == "png" or metadata.icc is not None else stated_by_png(metadata.png_colour)
    if stated is not None and stated.unusual:
        notes.append(
            f"{stated.unusual} look wrong in the result: only PNG states them, {kind.upper()} does not"
        )
    if metadata.iptc is not None and kind != "jpeg":
        notes.append("IPTC record left out: only written to JPEG")
        metadata = replace(metadata, iptc=None)
    block = metadata.exif
    if block is not None:
        block = exif.updated(block, image.height, image.width)
    if block is not None and kind == "jpeg" and len(block) > JPEG_SEGMENT_MAX_BYTES:
        notes.append("EXIF left out: too large for a JPEG")
        block = None
    packet = metadata.xmp
    if packet is not None:
        packet = xmp.updated(packet, image.height, image.width)
    return replace(metadata, exif=block, xmp=packet)


def _with_metadata(image: pyvips.Image, layout: str, bits: int, metadata: Metadata) -> pyvips.Image:
    wide = bits == 16
    interpretation = ("grey16" if wide else "b-w") if layout == "grey" else ("rgb16" if wide else "srgb")
    xres, yres = metadata.pixels_per_mm or (_SCREEN_PIXELS_PER_MM, _SCREEN_PIXELS_PER_MM)
    image = image.copy(interpretation=interpretation, xres=xres, yres=yres)
    blobs = (("icc-profile-data", metadata.icc), ("xmp-data", metadata.xmp), ("iptc-data", metadata.iptc))
    for name, blob in blobs:
        if blob is not None:
            vips.set_blob(image, name, blob)
    return image


def _write(
    prepared: _Prepared, file: BinaryIO, destination: Destination, cancelled: Callable[[], bool] | None
) -> None:
    try:
        vips.run(prepared.image, lambda: _SAVERS[prepared.format](prepared, file), cancelled)
    except OSError as error:
        raise write_error(destination.path, error) from None
    except pyvips.Error as error:
        check_cancelled(cancelled)
        raise InputError(
            f"cannot be encoded ({vips.reason(error)})",
            where=destination.name,
            remedy=Wording("try another {}", "format"),
        ) from None


def _stream(
    save: Callable[[pyvips.TargetCustom], Any], file: BinaryIO, edit: Callable[[bytes], bytes]
) -> None:
    """Let libvips write through Python to ``file``; ``edit`` transforms the start, ``HEAD_BYTES`` or more.

    Writing in Python preserves the system's own error, such as a full disk, which libvips would hide.
    """
    failures: list[OSError | MemoryError] = []
    head: bytearray | None = bytearray()

    def on_write(data: Any) -> int:
        nonlocal head
        block = bytes(data)
        try:
            if head is not None:
                head += block
                if len(head) < HEAD_BYTES:
                    return len(block)
                file.write(edit(bytes(head)))
                head = None
            else:
                file.write(block)
        except (OSError, MemoryError) as error:
            failures.append(error)
            return -1
        return len(block)

    target = pyvips.TargetCustom()
    target.on_write(on_write)
    try:
        save(target)
    except pyvips.Error:
        if failures:
            raise failures[0] from None
        raise


def _save_jpeg(prepared: _Prepared, file: BinaryIO) -> None:
    metadata = prepared.metadata

    def save(target: pyvips.TargetCustom) -> None:
        prepared.image.jpegsave_target(
            target,
            Q=prepared.quality,
            subsample_mode="off",
            optimize_coding=True,
            keep=_KEEP | pyvips.enums.ForeignKeep.IPTC,
        )

    _stream(save, file, lambda head: insert_in_jpeg(head, metadata.exif, metadata.pixels_per_mm))


def _save_png(prepared: _Prepared, file: BinaryIO) -> None:
    metadata = prepared.metadata
    chunks = metadata.png_colour

    def save(target: pyvips.TargetCustom) -> None:
        prepared.image.pngsave_target(
            target, compression=4, filter=pyvips.enums.ForeignPngFilter.ALL, keep=_KEEP
        )

    _stream(save, file, lambda head: insert_in_png(head, metadata.exif, chunks))


def _save_webp(prepared: _Prepared, file: BinaryIO) -> None:
    image = prepared.image
    data = bytes(image.webpsave_buffer(Q=prepared.quality, keep=_KEEP, smart_subsample=True))
    if prepared.metadata.exif is not None:
        data = webp_with_exif(data, prepared.metadata.exif, image.height, image.width, bool(image.hasalpha()))
    file.write(data)


def _save_tiff(prepared: _Prepared, file: BinaryIO) -> None:
    image = prepared.image
    is_big = image.height * image.width * image.bands * 2 > _BIG_TIFF_ABOVE_BYTES
    file.write(
        image.tiffsave_buffer(
            compression="deflate", predictor="horizontal", level=4, keep=_KEEP, bigtiff=is_big
        )
    )
    if prepared.metadata.exif is not None and not is_big:
        append_exif(file, prepared.metadata.exif)


_SAVERS: dict[str, Callable[[_Prepared, BinaryIO], None]] = {
    "jpeg": _save_jpeg,
    "png": _save_png,
    "webp": _save_webp,
    "tiff": _save_tiff,
}
