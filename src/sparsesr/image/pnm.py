"""Reader for PBM, PGM and PPM (P1 to P6), which the bundled libvips cannot read."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import InputError
from sparsesr.image.sniff import check_size
from sparsesr.image.source import OpenSource
from sparsesr.limits import MEBIBYTE, ImageLimits

_GAP = rb"(?:\s|#[^\n]*\n)"
_HEADER = re.compile(rb"P([1-6])" + _GAP + rb"+(\d{1,9})" + _GAP + rb"+(\d{1,9})")
_MAX_HEADER_BYTES = MEBIBYTE
"""Comments, such as a copied licence or the history of an image, may be long."""
_PEAK = re.compile(_GAP + rb"+(\d{1,9})")


def read_pnm(source: OpenSource, limits: ImageLimits) -> npt.NDArray[Any]:
    """Return (H, W, 1 or 3) uint8 or uint16, scaled to the full range of the type."""
    head = source.read_at(0, _MAX_HEADER_BYTES)
    header = _HEADER.match(head)
    if header is None:
        raise InputError("the PNM header is damaged", where=source.name, remedy="convert the file to PNG")
    variant, width, height = (int(group) for group in header.groups())
    check_size(source.name, height, width, limits)
    peak, start = 1, header.end()
    if variant not in (1, 4):
        found = _PEAK.match(head, start)
        if found is None or not 1 <= int(found.group(1)) <= 65535:
            raise InputError("the PNM header states no valid maximum (1 to 65535)", where=source.name)
        peak, start = int(found.group(1)), found.end()
    shape = (height, width, 3 if variant in (3, 6) else 1)
    if variant <= 3:
        samples = _plain_samples(source, start, variant, int(np.prod(shape)))
    elif variant == 4:
        samples = _packed_bits(source, start + 1, height, width)
    else:
        samples = _binary_samples(source, start + 1, int(np.prod(shape)), peak)
    if variant in (1, 4):
        samples = 1 - samples  # in PBM, 1 is black
    return _stretched(samples.reshape(shape), peak, source.name)


def _cut_short(source: OpenSource) -> InputError:
    return InputError(
        "the PNM data is cut short", where=source.name, remedy="copy or download the file again"
    )


def _plain_samples(source: OpenSource, start: int, variant: int, count: int) -> npt.NDArray[Any]:
    text = re.sub(rb"#[^\n]*", b"", source.read_at(start, source.size - start))
    if variant == 1:  # digits may touch
        text = b" ".join(re.findall(rb"[01]", text))
    words = text.split(maxsplit=count)[:count]
    if len(words) < count:
        raise _cut_short(source)
    try:
        return np.array(words, dtype=np.int64) if words else np.empty(0, np.int64)
    except (ValueError, OverflowError):
        raise InputError("the PNM data contains something that is not a number", where=source.name) from None


def _packed_bits(source: OpenSource, start: int, height: int, width: int) -> npt.NDArray[Any]:
    stride = (width + 7) // 8
    data = source.read_at(start, stride * height)
    if len(data) < stride * height:
        raise _cut_short(source)
    rows = np.frombuffer(data, np.uint8).reshape(height, stride)
    return np.unpackbits(rows, axis=1)[:, :width]


def _binary_samples(source: OpenSource, start: int, count: int, peak: int) -> npt.NDArray[Any]:
    width_bytes = 2 if peak > 255 else 1
    data = source.read_at(start, count * width_bytes)
    if len(data) < count * width_bytes:
        raise _cut_short(source)
    return np.frombuffer(data, ">u2" if width_bytes == 2 else np.uint8)


def _stretched(samples: npt.NDArray[Any], peak: int, name: str) -> npt.NDArray[Any]:
    if samples.size and (int(samples.max()) > peak or int(samples.min()) < 0):
        raise InputError(
            f"the PNM data contains values beyond the maximum of {peak} in its header", where=name
        )
    target = np.uint16 if peak > 255 else np.uint8
    full = int(np.iinfo(target).max)
    table = np.floor(np.arange(peak + 1) * (full / peak) + 0.5).astype(target)
    return table[samples]
