"""CgBI, the variant of PNG inside iOS apps: raw deflate data, and BGRA premultiplied by alpha.

It is rewritten as an ordinary PNG of the same stored bytes, which libpng can decode; the pixels are converted after.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import InputError
from sparsesr.image.png_bytes import FRAME_BYTES, SIGNATURE, chunk, chunks_of
from sparsesr.image.sniff import check_size
from sparsesr.image.source import OpenSource
from sparsesr.limits import ImageLimits


def is_cgbi(source: OpenSource) -> bool:
    """Whether a PNG starts with the chunk CgBI."""
    return source.read_at(12, 4) == b"CgBI"


def as_plain_png(source: OpenSource, limits: ImageLimits) -> OpenSource:
    """An ordinary PNG of the same samples, still BGRA and premultiplied. InputError if it is damaged."""
    kept = (each for each in chunks_of(source) if each.kind not in (b"CgBI", b"IEND"))
    chunks = [(each.kind, each.body(source)) for each in kept if each.at + FRAME_BYTES <= source.size]
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise _damaged(source, "the PNG header is cut short or damaged")
    width, height = struct.unpack(">II", chunks[0][1][:8])
    check_size(source.name, height, width, limits)
    stored = b"".join(body for kind, body in chunks if kind == b"IDAT")
    try:
        rows = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, _most_bytes(height, width))
    except zlib.error as error:
        raise _damaged(source, f"the PNG data is damaged ({error})") from None
    others = [chunk(kind, body) for kind, body in chunks if kind != b"IDAT"]
    data = b"".join((SIGNATURE, *others, chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b"")))
    return OpenSource(source.name, len(data), data=data)


def _most_bytes(height: int, width: int) -> int:
    """More than 16-bit RGBA takes, with a filter byte for each row of each pass."""
    return height * width * 8 + 2 * (height + width) + 64


def _damaged(source: OpenSource, what: str) -> InputError:
    return InputError(what, where=source.name, remedy="copy or download the file again")


def from_premultiplied_bgra(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(H, W, 3 or 4) samples with red and blue exchanged, and colours divided by alpha; others unchanged."""
    if samples.shape[2] < 3:
        return samples
    out = samples.copy()
    out[..., 0], out[..., 2] = samples[..., 2], samples[..., 0]
    if samples.shape[2] == 4:
        peak = int(np.iinfo(samples.dtype).max)
        for row in out:  # row by row, to avoid a wider copy of the image
            alpha = np.maximum(row[:, 3:].astype(np.uint32), 1)
            row[:, :3] = np.minimum((row[:, :3].astype(np.uint32) * peak + alpha // 2) // alpha, peak)
    return out
