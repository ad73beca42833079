"""Quantised maps, and their convolutions computed in exact whole numbers and rounded fp32 steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from guard_pages import guarded
from native_cases import F32, F64, conv_reference, stride_of
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


class Steps(NamedTuple):
    """What the values of a quantised map stand for: (value - zero) * scale."""

    scale: float
    zero: int


UNSIGNED, SIGNED = Steps(0.0117, 0), Steps(0.0231, 128)


def quantised(values: F32, steps: Steps) -> U8:
    """Round half up, saturate; NaN becomes 0."""
    return narrowed(np.float32(values) * (np.float32(1) / np.float32(steps.scale)), steps)


def narrowed(in_steps: F32, steps: Steps) -> U8:
    """Whole numbers from values that are already divided by the scale."""
    raised = in_steps + np.float32(steps.zero + 0.5)
    return np.clip(np.where(np.isnan(raised), np.float32(0), raised), 0, 255).astype(np.uint8)


def meant(values: U8, steps: Steps) -> F32:
    """The values that quantised ones stand for."""
    return ((values.astype(np.int32) - steps.zero) * np.float32(steps.scale)).astype(np.float32)


def window_of(values_hwc: U8, steps: Steps) -> U8:
    """A window of the whole map (first row -1) with zeros around it, ending at a guard page."""
    h, w, c = values_hwc.shape
    window: U8 = guarded((h + 2, w + 2, stride_of(c)), np.uint8)
    window[...] = steps.zero
    window[1:-1, 1:-1, :c] = values_hwc
    window[1:-1, 1:-1, c:] = 77  # channels that do not exist may hold anything
    return window


def exact_sums(
    maps: Sequence[U8], weight: F32, bias: F32 | None, steps: Sequence[Steps], out: Steps | None = None
) -> F32:
    """Results before the activation, as the kernels define them, bit for bit; in steps of a quantised `out`."""
    factor = np.float32(1) if out is None else np.float32(1) / np.float32(out.scale)
    splits = [m.shape[2] for m in maps]
    scales = np.repeat(np.float32([s.scale for s in steps]), splits)
    scaled = np.float32(weight) * scales[None, :, None, None]
    pairs = largest_pairs(scaled, splits) / np.float32(127.5)
    per_output = np.maximum(np.abs(scaled).max(axis=(1, 2, 3)) / np.float32(127), pairs)
    divisors = np.where(per_output == 0, np.float32(1), per_output)[:, None, None, None]
    whole = np.clip(np.rint(scaled / divisors), -127, 127)
    centred = [m.astype(np.float64) - s.zero for m, s in zip(maps, steps, strict=True)]
    sums, _ = conv_reference(np.concatenate(centred, axis=2), whole, None)
    assert np.array_equal(sums, np.rint(sums))
    b = np.zeros(len(weight), np.float32) if bias is None else bias
    return sums.astype(np.float32) * (per_output * factor) + b * factor


def largest_pairs(weight: F32, splits: Sequence[int]) -> F32:
    """The largest sum of two weights of one sign whose products may be added in 16 bits, for each output."""
    starts = np.cumsum([0, *splits[:-1]])
    padded = [
        np.pad(weight[:, start : start + c], ((0, 0), (0, c % 2), (0, 0), (0, 0)))
        for start, c in zip(starts, splits, strict=True)
    ]
    both = np.concatenate(padded, axis=1)
    one, other = both[:, ::2], both[:, 1::2]
    return np.abs(np.where((one > 0) == (other > 0), one + other, 0)).max(axis=(1, 2, 3))


def activated(values: F32, activation: str, slope: float = 0.0) -> F32:
    """The activation in fp32."""
    below = {"none": 1.0, "relu": 0.0, "leaky_relu": slope}[activation]
    return np.where(values < 0, values * np.float32(below), values).astype(np.float32)


def real_sums(maps: Sequence[U8], weight: F32, bias: F32 | None, steps: Sequence[Steps]) -> F64:
    """The convolution of what the maps stand for, with weights that are not rounded."""
    values = np.concatenate([meant(m, s) for m, s in zip(maps, steps, strict=True)], axis=2)
    return conv_reference(values, weight, bias)[0]
