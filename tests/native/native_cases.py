"""Windows, masks and float64 references for the tests of the native kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from guard_pages import guarded
from numpy.typing import NDArray

from sparsesr import _native as native

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Map = NDArray[np.float32] | NDArray[np.uint16] | NDArray[np.uint8]
CANARY = np.float32(-12345.678)


def stride_of(channels: int) -> int:
    """Number of channels, rounded up as in feature maps."""
    return (channels + 15) // 16 * 16


def make_window(map_hwc: F32, stride: int | None = None) -> F32:
    """A window of the whole map with a zero row above and below (first row -1), ending at a guard page."""
    h, w, c = map_hwc.shape
    window: F32 = guarded((h + 2, w + 2, stride or stride_of(c)))
    window[1:-1, 1:-1, :c] = map_hwc
    return window


def random_map(rng: np.random.Generator, h: int, w: int, c: int) -> F32:
    """Typical feature-map values, including some zeros and extremes."""
    values = rng.standard_normal((h, w, c)).astype(np.float32)
    kind = rng.random(values.shape)
    values[kind < 0.1] = 0.0
    values[kind > 0.98] *= 1e4
    values[(kind > 0.97) & (kind <= 0.98)] *= 1e-30
    return values


@dataclass
class Guarded:
    """An output window inside a larger buffer of canaries, between guard pages; initially canaries too."""

    buffer: F32
    window: F32

    @classmethod
    def make(cls, h: int, w: int, stride: int) -> Guarded:
        """Rows 0 to h of an image, with guard rows above and below."""
        buffer: F32 = guarded((h + 4, w + 2, stride))
        buffer[...] = CANARY
        return cls(buffer, buffer[2:-2])

    def inside(self, channels: int | None = None) -> F32:
        """The map without border columns and padding channels."""
        return self.window[:, 1:-1, :channels]

    def assert_only_written(self, written_hw: NDArray[np.bool_]) -> None:
        """Everything outside `written_hw` still holds canaries."""
        kept = np.ones(self.buffer.shape[:2], np.bool_)
        kept[2:-2, 1:-1] = ~written_hw
        assert (self.buffer[kept] == CANARY).all()


def pixel_numbers(mask_hw: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Pixel list of a mask, in raster order."""
    rows, columns = np.nonzero(mask_hw)
    return (rows * (mask_hw.shape[1] + 2) + columns + 1).astype(np.int32)


def masks(rng: np.random.Generator, h: int, w: int) -> list[NDArray[np.bool_]]:
    """Masks of density 0, one pixel, 1 %, 10 %, 50 %, 99 % and 100 %."""
    one = np.zeros((h, w), np.bool_)
    one[h // 2, w - 1] = True
    some = [rng.random((h, w)) < density for density in (0.01, 0.1, 0.5, 0.99)]
    return [np.zeros((h, w), np.bool_), one, *some, np.ones((h, w), np.bool_)]


def mask_of(active_hw: NDArray[np.bool_], ends: list[int] | None = None) -> native.PixelMask:
    """The mask with these active pixels, grown up to each of ``ends``."""
    h, w = active_hw.shape
    logits = np.stack([np.zeros((h, w)), np.where(active_hw, 1.0, -1.0)], axis=2).astype(np.float32)
    mask = native.PixelMask(h, w)
    for end in ends or [h]:
        mask.grow(make_window(logits), -1, end, 0.0)
    return mask


def border_of(active_hw: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Inactive pixels that touch an active one."""
    h, w = active_hw.shape
    around = np.pad(active_hw, 1)
    near = np.any([around[y : y + h, x : x + w] for y in range(3) for x in range(3)], axis=0)
    return near & ~active_hw


def conv_at(
    packed: native.PackedConv,
    inputs: Sequence[tuple[Map, int]],
    out: Map,
    active_hw: NDArray[np.bool_],
    activation: str = "none",
    slope: float = 0.0,
    slopes: F32 | None = None,
    out_steps: tuple[float, int] | None = None,
) -> Callable[[int], None]:
    """The convolution at these pixels only, as a function of the number of threads; `out` starts at row 0."""
    mask, nothing = mask_of(active_hw), np.zeros(0, np.float32)
    return lambda threads: native.masked_conv_rows(
        packed, inputs, None, [], mask, out, 0, 0, len(active_hw), activation, slope, slopes, "nowhere", nothing,
        out_steps=out_steps, threads=threads,
    )  # fmt: skip


def conv_reference(map_hwc: F32, weight: F32, bias: F32 | None) -> tuple[F64, F64]:
    """The convolution in float64, and for each output the sum of the magnitudes of its terms."""
    h, w, _ = map_hwc.shape
    k = weight.shape[2]
    padded = np.pad(map_hwc.astype(np.float64), ((k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    columns = np.concatenate([padded[dy : dy + h, dx : dx + w] for dy in range(k) for dx in range(k)], axis=2)
    matrix = weight.astype(np.float64).transpose(2, 3, 1, 0).reshape(-1, weight.shape[0])
    offset = np.zeros(weight.shape[0]) if bias is None else bias.astype(np.float64)
    return columns @ matrix + offset, np.abs(columns) @ np.abs(matrix) + np.abs(offset)


def assert_close(actual: F32, expected: F64, magnitude: F64) -> None:
    """Equal within 2e-6 of the sum of magnitudes."""
    assert actual.shape == expected.shape
    assert (np.abs(actual - expected) <= 2e-6 * magnitude + 1e-37).all()
