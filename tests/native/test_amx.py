"""Tile convolutions match an emulation of the tile product bit for bit, however pixels are grouped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from bf16_maps import from_bf16, rounded, to_bf16
from native_cases import F32, conv_at, make_window, masks, stride_of

from sparsesr import _native as native

pytestmark = pytest.mark.skipif(native.amx_refusal() is not None, reason=f"{native.amx_refusal()}")

TILE_CHANNELS = 32
SMALLEST_NORMAL = np.finfo(np.float32).tiny


@pytest.fixture(autouse=True)
def amx() -> Iterator[None]:
    native.set_cpu("amx")
    yield
    native.set_cpu(None)


def flushed(values: F32) -> F32:
    """Denormals flushed to zero."""
    return np.where(np.abs(values) < SMALLEST_NORMAL, np.float32(0), values)


def fused(sums: F32, left: F32, right: F32) -> F32:
    """Multiply-add, rounded once: in float64, products of bf16 values and these sums are exact."""
    return flushed((sums.astype(np.float64) + left.astype(np.float64) * right).astype(np.float32))


def tile_product(sums: F32, pixels: F32, weights: F32) -> F32:
    """`sums` + pixels [n, 32] @ weights [32, outputs]: even and odd channels apart, then both, then all."""
    even, odd = (np.zeros_like(sums) for _ in range(2))
    for channel in range(0, pixels.shape[1], 2):
        even = fused(even, pixels[:, channel, None], weights[None, channel])
        odd = fused(odd, pixels[:, channel + 1, None], weights[None, channel + 1])
    return flushed(sums + flushed(even + odd))


def emulated(maps: list[F32], weight: F32, bias: F32) -> F32:
    """The convolution of maps [h, w, c] in steps: per input, tap and 32 channels."""
    h, w, _ = maps[0].shape
    reach = weight.shape[2] // 2
    sums = np.repeat(bias[None], h * w, axis=0)
    first = 0
    for values in maps:
        channels = values.shape[2]
        padded = np.pad(flushed(values), ((reach, reach), (reach, reach), (0, 0)))
        for y in range(weight.shape[2]):
            for x in range(weight.shape[2]):
                pixels = padded[y : y + h, x : x + w].reshape(h * w, channels)
                tap = flushed(weight[:, first : first + channels, y, x].T)
                for c in range(0, channels, TILE_CHANNELS):
                    end = min(c + TILE_CHANNELS, channels)
                    missing = ((0, 0), (0, c + TILE_CHANNELS - end))
                    step = np.pad(pixels[:, c:end], missing), np.pad(tap[c:end], missing[::-1])
                    sums = tile_product(sums, *step)
        first += channels
    return sums.reshape(h, w, -1)


def random_maps(rng: np.random.Generator, h: int, w: int, splits: list[int]) -> list[F32]:
    return [rounded(rng.standard_normal((h, w, c)).astype(np.float32)) for c in splits]


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("splits", "c_out"),
    [([64], 64), ([32], 32), ([40], 48), ([16], 16), ([64, 64], 64), ([64, 7, 32], 80), ([3], 5)],
)
def test_bits_match_the_tile_product(rng: np.random.Generator, splits: list[int], c_out: int, k: int) -> None:
    h, w = 5, 39
    maps = random_maps(rng, h, w, splits)
    weight = rounded(rng.standard_normal((c_out, sum(splits), k, k)).astype(np.float32) * 0.2)
    bias = rng.standard_normal(c_out).astype(np.float32)
    packed = native.PackedConv(weight, bias, splits, "bf16")
    inputs = [(to_bf16(make_window(values)), -1) for values in maps]
    expected = emulated(maps, weight, bias)
    out = np.zeros((h, w + 2, stride_of(c_out)), np.float32)
    native.conv_rows(packed, inputs, out, 0, 0, h, threads=2)
    assert np.array_equal(out[:, 1:-1, :c_out], expected)
    for mask in masks(rng, h, w):
        some = np.zeros_like(out)
        conv_at(packed, inputs, some, mask)(2)
        assert np.array_equal(some[:, 1:-1, :c_out][mask], expected[mask])


def test_denormals_become_zero() -> None:
    values = from_bf16(np.array([0x0040, 0x0001, 0x3F80], np.uint16))  # two denormals and 1.0
    packed = native.PackedConv(np.full((16, 3, 1, 1), 1e30, np.float32), None, [3], "bf16")
    out = np.zeros((1, 3, 16), np.float32)
    native.conv_rows(packed, [(to_bf16(make_window(values.reshape(1, 1, 3))), -1)], out, 0, 0, 1)
    assert (out[0, 1] == from_bf16(to_bf16(np.array([1e30], np.float32)))).all()


@pytest.mark.parametrize("width", [1, 2, 14, 15, 16, 17, 30, 31, 33, 47, 65])
def test_windows_end_with_the_pixel_list(rng: np.random.Generator, width: int) -> None:
    """Row lengths around the tile size; values beyond the last pixel (NaN here) are not multiplied."""
    values = random_maps(rng, 1, width, [64])[0]
    weight = rounded(rng.standard_normal((32, 64, 1, 1)).astype(np.float32))
    window = to_bf16(make_window(values))
    window[:, [0, -1]] = 0x7FC0
    packed = native.PackedConv(weight, None, [64], "bf16")
    out = np.zeros((1, width + 2, 32), np.float32)
    native.conv_rows(packed, [(window, -1)], out, 0, 0, 1)
    assert np.array_equal(out[:, 1:-1], emulated([values], weight, np.zeros(32, np.float32)))


def test_sums_with_too_many_steps_for_tiles_use_vectors(rng: np.random.Generator) -> None:
    """Two thousand channels at nine taps are 576 steps."""
    values = random_maps(rng, 1, 2, [2048])[0]
    weight = rounded(rng.standard_normal((16, 2048, 3, 3)).astype(np.float32) * 0.01)
    results = []
    for isa in ("avx512_bf16", "amx"):
        native.set_cpu(isa)
        out = np.zeros((1, 4, 16), np.float32)
        packed = native.PackedConv(weight, None, [2048], "bf16")
        native.conv_rows(packed, [(to_bf16(make_window(values)), -1)], out, 0, 0, 1)
        results.append(out)
    assert results[0][:, 1:-1].any() and np.array_equal(*results)
