"""Samples of files of other types than 8 and 16 bits: unsigned 32 bits and float.

Float samples have no fixed meaning. One rule holds for files and arrays alike: they are coded like 8-bit samples
divided by 255 (as in scikit-image and OpenCV), unless a profile says otherwise, and 0 to 1 is black to white.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import InputError
from sparsesr.image.samples import quantised

Samples = npt.NDArray[Any]

LARGEST_FLOAT = 2.0
"""Filters overshoot 0..1 a little; beyond this, samples have another range, such as 0 to 255."""
_WORD = 65535


def check_float_range(samples: Samples, name: str | None = None) -> None:
    """Raise InputError if float samples are not in about 0 to 1. NaN counts as 0."""
    tops = (float(np.abs(np.nan_to_num(row)).max(initial=0.0)) for row in samples)
    top = max(tops, default=0.0)
    if top > LARGEST_FLOAT:
        raise InputError(
            f"float samples must be in 0 to 1, these reach {top:.6g}",
            where=name,
            remedy="scale them first, or use 8 or 16 bits",
        )


def to_integers(name: str, samples: Samples, notes: list[str], *, has_profile: bool = False) -> Samples:
    """Return (H, W, C) samples as uint8 or uint16. Raises InputError for types and ranges without a meaning.

    Floats with a profile may be HDR: single highlights above ``LARGEST_FLOAT`` are clipped then, with a note.
    """
    if samples.dtype.name in ("uint8", "uint16"):
        return samples
    if samples.dtype == np.uint32:
        return _high_words(name, samples, notes)
    if samples.dtype.kind == "f":
        is_hdr = has_profile and float(np.nanmedian(_sampled(samples))) <= 1
        if not is_hdr:
            check_float_range(samples, name)
        return _from_floats(samples, notes)
    raise InputError(
        f"samples of type {samples.dtype} are not supported",
        where=name,
        remedy="save it with unsigned samples of 8 or 16 bits",
    )


def _high_words(name: str, samples: Samples, notes: list[str]) -> Samples:
    top = int(samples.max(initial=0))
    if 0 < top <= _WORD:
        raise InputError(
            f"32-bit samples reach {top} only, so their range is not known",
            where=name,
            remedy=f"save it with {8 if top < 256 else 16} bits",
        )
    notes.append("32-bit samples reduced to 16 bits")
    return (samples >> 16).astype(np.uint16)


def _sampled(samples: Samples) -> Samples:
    return samples.reshape(-1)[:: max(1, samples.size // 1_000_000)]


def _from_floats(samples: Samples, notes: list[str]) -> Samples:
    out = np.empty(samples.shape, np.uint16)
    clipped = missing = 0
    for row in range(len(samples)):  # row by row, to avoid a second float image in memory
        values = samples[row]
        is_number = np.isfinite(values)
        missing += int(values.size - is_number.sum())
        clipped += int(((values < 0) | (values > 1))[is_number].sum())
        out[row] = quantised(np.nan_to_num(values, nan=0.0).astype(np.float64), np.uint16)
    notes.append("float samples taken as coded values from 0 to 1 and stored in 16 bits")
    for count, what in ((clipped, "beyond 0 to 1 were clipped"), (missing, "are not numbers")):
        if count:
            notes.append(f"{_share(count, samples.size)} of the float samples {what}")
    return out


def _share(count: int, total: int) -> str:
    percent = 100 * count / total
    return f"{percent:.0f} %" if percent >= 1 else "less than 1 %"
