"""bf16 as bits in uint16, since numpy has no bf16."""

from __future__ import annotations

import numpy as np
from chain_reference import F64
from numpy.typing import NDArray


def to_bits(values: F64) -> NDArray[np.uint16]:
    """Bits of the values rounded to bf16, ties to even."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bits(bits: NDArray[np.generic]) -> F64:
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def rounded(values: F64) -> F64:
    return from_bits(to_bits(values))
