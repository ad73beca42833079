"""Reader for uncompressed 8-bit CIELab TIFF, which libvips mistakes for its own packed format and refuses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparsesr.errors import InputError
from sparsesr.image.colour import lab_of_bytes
from sparsesr.image.sniff import check_size
from sparsesr.image.source import OpenSource
from sparsesr.image.tiff_tags import integers, read_directory, read_header
from sparsesr.limits import ImageLimits

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _STRIP_BYTES, _PLANAR, _PREDICTOR = 273, 274, 277, 279, 284, 317
_CIELAB = 8


def is_lab8(source: OpenSource) -> bool:
    """Whether a TIFF contains 8-bit CIELab."""
    header = read_header(source.read_at)
    if header is None:
        return False
    tags = read_directory(source.read_at, *header)
    return integers(tags, header[0], _PHOTOMETRIC) == [_CIELAB] and integers(tags, header[0], _BITS)[:1] == [
        8
    ]


def lab8_orientation(source: OpenSource) -> int:
    """Return the orientation tag, 1 to 8."""
    order, offset = read_header(source.read_at) or ("<", 0)
    values = integers(read_directory(source.read_at, order, offset), order, _ORIENTATION)
    return values[0] if values and 1 <= values[0] <= 8 else 1


def read_lab8(source: OpenSource, limits: ImageLimits) -> npt.NDArray[np.float32]:
    """Return (H, W, 3) float32: L in 0..100, a and b in -128..127."""
    order, offset = read_header(source.read_at) or ("<", 0)
    tags = read_directory(source.read_at, order, offset)
    expected = ((_COMPRESSION, 1), (_SAMPLES, 3), (_PLANAR, 1), (_PREDICTOR, 1))
    is_plain = all(integers(tags, order, tag) in ([], [value]) for tag, value in expected)
    offsets, counts = (integers(tags, order, tag) for tag in (_STRIP_OFFSETS, _STRIP_BYTES))
    sizes = integers(tags, order, _HEIGHT) + integers(tags, order, _WIDTH)
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
