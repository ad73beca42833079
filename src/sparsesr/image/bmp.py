"""Reader for Windows bitmaps (1 to 32 bits, masks, RLE8), which the bundled libvips cannot read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import InputError
from sparsesr.image.decoded_image import resolution_of
from sparsesr.image.sniff import check_size
from sparsesr.image.source import OpenSource
from sparsesr.limits import ImageLimits

_PLAIN, _RLE8, _MASKS, _ALPHA_MASKS = 0, 1, 3, 6
_V5_BYTES, _EMBEDDED = 124, b"DEBM"  # the number of PROFILE_EMBEDDED spells MBED
_DEFAULT_MASKS = {16: (0x7C00, 0x03E0, 0x001F, 0), 32: (0xFF0000, 0x00FF00, 0x0000FF, 0)}


@dataclass(frozen=True)
class _Header:
    height: int
    width: int
    is_bottom_up: bool
    bits: int
    compression: int
    masks: tuple[int, int, int, int]
    palette: npt.NDArray[np.uint8]
    data_at: int


def read_bmp(source: OpenSource, limits: ImageLimits) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3 or 4) uint8. Raises InputError for damaged files and rare variants."""
    header = _read_header(source, limits)
    if header.compression == _RLE8 and header.bits == 8:
        samples = _expand_rle8(source, header)
    else:
        samples = _unpacked_rows(source, header)
    if header.is_bottom_up:
        samples = samples[::-1]
    if header.bits <= 8:
        if int(samples.max()) >= len(header.palette):
            raise InputError(
                "a BMP pixel points beyond the palette", where=source.name, remedy="the file is damaged"
            )
        return header.palette[samples]
    if header.bits == 24:
        return np.ascontiguousarray(samples[..., ::-1])
    return _unmasked(samples, header.masks)


def embedded_profile(source: OpenSource, limits: ImageLimits) -> bytes | None:
    """The ICC profile of a bitmap with a header of version 5; None if it holds none."""
    head = source.read_at(14, _V5_BYTES)
    if len(head) < _V5_BYTES or struct.unpack_from("<I", head)[0] != _V5_BYTES or head[56:60] != _EMBEDDED:
        return None
    offset, size = struct.unpack_from("<II", head, 112)
    return source.read_at(14 + offset, min(size, limits.max_metadata_bytes)) or None


def print_resolution(source: OpenSource) -> tuple[float, float] | None:
    """Horizontal and vertical pixels per mm; None if the header states none."""
    head = source.read_at(14, 32)
    if len(head) < 32 or struct.unpack_from("<I", head)[0] < 40:
        return None
    across, down = struct.unpack_from("<ii", head, 24)
    return resolution_of(across / 1000, down / 1000)


def _damaged(source: OpenSource, what: str) -> InputError:
    return InputError(what, where=source.name, remedy="convert the file to PNG, or copy it again")


def _read_header(source: OpenSource, limits: ImageLimits) -> _Header:
    head = source.read_at(0, 14 + 124).ljust(14 + 124, b"\0")
    data_at, size = struct.unpack_from("<II", head, 10)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", head, 18)
        compression, colours, entry = _PLAIN, 0, 3
    elif 40 <= size <= 124:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", head, 18)
        colours, entry = struct.unpack_from("<I", head, 46)[0], 4
    else:
        raise _damaged(source, "the BMP header is of an unknown kind or is damaged")
    check_size(source.name, abs(height), width, limits)
    if bits not in (1, 4, 8, 16, 24, 32) or compression not in (_PLAIN, _RLE8, _MASKS, _ALPHA_MASKS):
        raise _damaged(source, f"is a BMP of an unsupported kind ({bits} bits, compression {compression})")
    if (compression == _RLE8 and bits != 8) or (
        compression in (_MASKS, _ALPHA_MASKS) and bits not in (16, 32)
    ):
        raise _damaged(source, f"BMP compression {compression} does not allow {bits} bits")
    masks = _DEFAULT_MASKS.get(bits, (0, 0, 0, 0))
    if compression in (_MASKS, _ALPHA_MASKS):
        red, green, blue, alpha = struct.unpack_from("<IIII", head, 54)
        has_alpha = size >= 56 or compression == _ALPHA_MASKS
        word = (1 << bits) - 1  # some writers set bits beyond it
        masks = (red & word, green & word, blue & word, alpha & word if has_alpha else 0)
    palette = _palette(source, 14 + size, min(colours or 1 << bits, 256), entry) if bits <= 8 else _NO_PALETTE
    return _Header(abs(height), width, height > 0, bits, compression, masks, palette, data_at)


_NO_PALETTE = np.empty((0, 3), np.uint8)


def _palette(source: OpenSource, offset: int, count: int, entry: int) -> npt.NDArray[np.uint8]:
    raw = source.read_at(offset, count * entry)
    if len(raw) < count * entry:
        raise _damaged(source, "the BMP palette is cut short")
    return np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(count, entry)[:, 2::-1])


def _unpacked_rows(source: OpenSource, header: _Header) -> npt.NDArray[Any]:
    """Return samples as stored: indices, BGR triples, or words that still hold masked channels."""
    stride = (header.width * header.bits + 31) // 32 * 4
    raw = source.read_at(header.data_at, stride * header.height)
    if len(raw) < stride * header.height:
        raise _damaged(source, "the BMP data is cut short")
    rows = np.frombuffer(raw, np.uint8).reshape(header.height, stride)
    if header.bits == 8:
        return rows[:, : header.width]
    if header.bits == 24:
        return rows[:, : header.width * 3].reshape(header.height, header.width, 3)
    if header.bits >= 16:
        return rows.view("<u2" if header.bits == 16 else "<u4")[:, : header.width]
    bits = np.unpackbits(rows, axis=1)
    if header.bits == 1:
        return bits[:, : header.width]
    return np.packbits(bits.reshape(header.height, -1, 4), axis=2)[:, : header.width, 0] >> 4


def _unmasked(words: npt.NDArray[Any], masks: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    colours = [_channel(words, mask) for mask in masks[:3]]
    alpha = _channel(words, masks[3])
    # Many programs declare alpha but leave it 0; browsers take such an image as opaque, too.
    return np.stack([*colours, alpha] if alpha.any() else colours, axis=-1)


def _channel(words: npt.NDArray[Any], mask: int) -> npt.NDArray[np.uint8]:
    """Extract one channel from each word and scale it to 8 bits."""
    if mask == 0:
        return np.zeros(words.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    peak = mask >> shift
    values = ((words & mask) >> shift).astype(np.float64)
    return np.floor(values * (255 / peak) + 0.5).astype(np.uint8)


def _expand_rle8(source: OpenSource, header: _Header) -> npt.NDArray[np.uint8]:
    """Expand run-length codes; skipped pixels get index 0."""
    data = source.read_at(header.data_at, source.size - header.data_at)
    out = np.zeros((header.height, header.width), np.uint8)
    x = y = at = 0
    while at + 2 <= len(data) and y < header.height:
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            out[y, x : x + count] = value
            x += count
        elif value == 0:
            x, y = 0, y + 1
        elif value == 1:
            return out
        elif value == 2:
            step = data[at : at + 2].ljust(2, b"\0")
            x, y, at = x + step[0], y + step[1], at + 2
        elif at + value > len(data):
            break
        else:
            run = np.frombuffer(data[at : at + value], np.uint8)[: max(0, header.width - x)]
            out[y, x : x + len(run)] = run
            x, at = x + value, at + value + value % 2
    if (y, x) < (header.height - 1, header.width):
        raise _damaged(source, "the BMP data is cut short")
    return out
