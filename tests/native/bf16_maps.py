"""Maps in bf16, or in fp32 where a test covers both."""

from __future__ import annotations

import numpy as np
from native_cases import F32, F64, assert_close, stride_of
from numpy.typing import NDArray

U16 = NDArray[np.uint16]
CANARY_BITS = np.uint16(0xC640)
STEP = 2.0**-8
"""Largest relative error of rounding to bf16."""


def to_bf16(values: F32) -> U16:
    """Round to nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits: U16) -> F32:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def stored(values: F32, dtype: str) -> F32 | U16:
    """Values as a map of `dtype` holds them."""
    return to_bf16(values) if dtype == "bf16" else values


def numbers(values: F32 | U16) -> F32:
    """The values that a map of either type holds."""
    return from_bf16(np.ascontiguousarray(values)) if values.dtype == np.uint16 else values


def rounded(values: F32) -> F32:
    return from_bf16(to_bf16(values))


def empty(h: int, w: int, c: int, dtype: str) -> F32 | U16:
    """A window filled with canaries."""
    shape = (h, w + 2, stride_of(c))
    return np.full(shape, CANARY_BITS, np.uint16) if dtype == "bf16" else np.full(shape, -7.5, np.float32)


def inside(window: F32 | U16, c: int | None = None) -> F32:
    return numbers(window[:, 1:-1, :c])


def assert_border_untouched(window: F32 | U16) -> None:
    canary = CANARY_BITS if window.dtype == np.uint16 else np.float32(-7.5)
    assert (window[:, [0, -1]] == canary).all()


def assert_rounded(actual: F32, expected: F64, magnitude: F64, out: str) -> None:
    """Equal within the error of the sum, plus that of rounding if the output is bf16."""
    if out == "f32":
        return assert_close(actual, expected, magnitude)
    allowed = 2e-6 * magnitude + STEP * np.abs(expected) + 1e-37
    assert (np.abs(actual - expected) <= allowed).all()
