"""One function per output format: libvips encodes the pixels, and metadata are inserted byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyvips

from sparsesr.image import iptc, vips
from sparsesr.image.containers import (
    HEAD_BYTES,
    clear_png_resolution,
    insert_in_jpeg,
    insert_in_png,
    webp_with_exif,
)
from sparsesr.image.decoded_image import Metadata, Pixels
from sparsesr.image.tiff_kept import IPTC_TAG, PHOTOSHOP_TAG
from sparsesr.image.tiff_tags import Tag, append_tags, clear_resolution_unit, is_written_big

_ICC, _XMP, _EXIF = (
    pyvips.enums.ForeignKeep.ICC,
    pyvips.enums.ForeignKeep.XMP,
    pyvips.enums.ForeignKeep.EXIF,
)
_BYTES, _UNDEFINED = 1, 7
_ONE_PER_CM = 0.1


@dataclass
class Prepared:
    """All decisions made before the first byte is written."""

    image: pyvips.Image
    """With profile and XMP as fields."""
    metadata: Metadata
    quality: int
    is_lossless: bool
    bits: int
    """Bits per sample of the file."""
    keep_alive: list[Pixels]
    """Memory that ``image`` reads."""


def _stream(
    save: Callable[[pyvips.TargetCustom], Any], file: BinaryIO, edit: Callable[[bytes], bytes] | None = None
) -> None:
    """Let libvips write through Python to ``file``; ``edit`` transforms the start, ``HEAD_BYTES`` or more.

    Writing in Python preserves the system's own error, such as a full disk, which libvips would hide.
    """
    failures: list[Exception] = []
    head = None if edit is None else bytearray()

    def on_write(data: Any) -> int:
        nonlocal head
        block = bytes(data)
        try:
            if head is not None and edit is not None:
                head += block
                if len(head) < HEAD_BYTES:
                    return len(block)
                file.write(edit(bytes(head)))
                head = None
            else:
                file.write(block)
        except Exception as error:  # cffi would print it, and libvips call it a system error
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


def _save_jpeg(prepared: Prepared, file: BinaryIO) -> None:
    def save(target: pyvips.TargetCustom) -> None:
        prepared.image.jpegsave_target(
            target, Q=prepared.quality, subsample_mode="off", optimize_coding=True, keep=_ICC
        )

    _stream(save, file, lambda head: insert_in_jpeg(head, prepared.metadata))


def _save_png(prepared: Prepared, file: BinaryIO) -> None:
    def save(target: pyvips.TargetCustom) -> None:
        prepared.image.pngsave_target(
            target, compression=4, filter=pyvips.enums.ForeignPngFilter.ALL, keep=_ICC
        )

    _stream(save, file, lambda head: insert_in_png(head, prepared.metadata))
    if prepared.metadata.pixels_per_mm is None:
        clear_png_resolution(file)


def _save_webp(prepared: Prepared, file: BinaryIO) -> None:
    image = prepared.image
    form: dict[str, Any] = (
        {"lossless": True, "exact": True}
        if prepared.is_lossless
        else {"Q": prepared.quality, "smart_subsample": True}
    )
    data = bytes(image.webpsave_buffer(keep=_ICC | _XMP, **form))
    if prepared.metadata.exif is not None:
        data = webp_with_exif(data, prepared.metadata.exif, image.height, image.width, bool(image.hasalpha()))
    file.write(data)


def _save_tiff(prepared: Prepared, file: BinaryIO) -> None:
    image, metadata = prepared.image, prepared.metadata
    is_big = is_written_big(image.height, image.width, image.bands)
    has_unit = metadata.pixels_per_mm is not None
    resolution: dict[str, Any] = {} if has_unit else {"xres": _ONE_PER_CM, "yres": _ONE_PER_CM}
    file.write(
        image.tiffsave_buffer(
            compression="deflate",
            predictor="horizontal",
            level=4,
            keep=_ICC | _XMP,
            bigtiff=is_big,
            **resolution,
        )
    )
    if not has_unit:
        clear_resolution_unit(file)
    order = "<" if metadata.geo is None else metadata.geo.order
    extra = {} if metadata.geo is None else dict(metadata.geo.tags)
    if metadata.iptc is not None:
        extra[PHOTOSHOP_TAG] = Tag(_BYTES, len(metadata.iptc), metadata.iptc)
        record = iptc.record_of(metadata.iptc)
        if record is not None:
            extra[IPTC_TAG] = Tag(_UNDEFINED, len(record), record)
    if metadata.exif is not None or extra:
        append_tags(file, metadata.exif, extra, order)


def _save_avif(prepared: Prepared, file: BinaryIO) -> None:
    def save(target: pyvips.TargetCustom) -> None:
        prepared.image.heifsave_target(
            target,
            compression="av1",
            bitdepth=prepared.bits,
            subsample_mode="off",
            **_lossy_or_lossless(prepared),
        )

    _stream(save, file)


def _save_jxl(prepared: Prepared, file: BinaryIO) -> None:
    def save(target: pyvips.TargetCustom) -> None:
        prepared.image.jxlsave_target(target, **_lossy_or_lossless(prepared))

    _stream(save, file)


def _lossy_or_lossless(prepared: Prepared) -> dict[str, Any]:
    """Options of AVIF and JPEG XL, where libvips writes EXIF too."""
    form: dict[str, Any] = {"lossless": True} if prepared.is_lossless else {"Q": prepared.quality}
    if prepared.metadata.exif is None:  # libvips would make a block of its own
        return {**form, "keep": _ICC | _XMP}
    vips.set_blob(prepared.image, "exif-data", b"Exif\0\0" + prepared.metadata.exif)
    return {**form, "keep": _ICC | _XMP | _EXIF}


SAVERS: dict[str, Callable[[Prepared, BinaryIO], None]] = {
    "jpeg": _save_jpeg,
    "png": _save_png,
    "webp": _save_webp,
    "tiff": _save_tiff,
    "avif": _save_avif,
    "jxl": _save_jxl,
}
