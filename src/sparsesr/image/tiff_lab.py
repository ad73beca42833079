"""Reader for uncompressed 8-bit CIELab TIFF, which libvips mistakes for its own packed format and refuses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparsesr.errors import InputError
from sparsesr.image.colour import lab_of_bytes
from sparsesr.image.sniff import check_size
from sparsesr.image.source import OpenSource
from sparsesr.image.tiff_pages import TiffPage
from sparsesr.image.tiff_tags import BITS, HEIGHT, PHOTOMETRIC, WIDTH, integers, read_directory
from sparsesr.limits import ImageLimits

_COMPRESSION, _STRIP_OFFSETS, _SAMPLES, _STRIP_BYTES, _PLANAR, _PREDICTOR = 259, 273, 277, 279, 284, 317
_CIELAB = 8


def is_lab8(page: TiffPage) -> bool:
    """Whether a page contains 8-bit CIELab."""
    return page.integers(PHOTOMETRIC) == [_CIELAB] and page.integers(BITS)[:1] == [8]


def read_lab8(source: OpenSource, page: TiffPage, limits: ImageLimits) -> npt.NDArray[np.float32]:
    """Return (H, W, 3) float32: L in 0..100, a and b in -128..127."""
    order = page.order
    tags = read_directory(source.read_at, order, page.offset, form=page.form)
    expected = ((_COMPRESSION, 1), (_SAMPLES, 3), (_PLANAR, 1), (_PREDICTOR, 1))
    is_plain = all(integers(tags, order, tag) in ([], [value]) for tag, value in expected)
    offsets, counts = (integers(tags, order, tag) for tag in (_STRIP_OFFSETS, _STRIP_BYTES))
    sizes = integers(tags, order, HEIGHT) + integers(tags, order, WIDTH)
    if not is_plain or not offsets or len(offsets) != len(counts) or len(sizes) != 2:
        raise InputError(
            "is a compressed or tiled CIELab TIFF, which is not supported",
            where=source.name,
            remedy="save it as RGB TIFF or PNG",
        )
    height, width = sizes
    check_size(source.name, height, width, limits)
    # A damaged file may list the same bytes many times: never gather more than the image needs.
    needed, parts, gathered = height * width * 3, list[bytes](), 0
    for start, count in zip(offsets, counts, strict=True):
        parts.append(source.read_at(start, min(count, needed - gathered)))
        gathered += len(parts[-1])
    if gathered < needed:
        raise InputError(
            "the TIFF data is cut short", where=source.name, remedy="copy or download the file again"
        )
    return lab_of_bytes(np.frombuffer(b"".join(parts), np.uint8).reshape(height, width, 3))
