"""Every operation between guard pages: no kernel reads or writes a single byte beyond its arrays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from guard_pages import guarded, guarded_copy
from native_cases import F32, conv_at, make_window, random_map, stride_of

from sparsesr import _native as native

Guard = Callable[[np.ndarray], np.ndarray]
H, W = 5, 23


@pytest.fixture(params=["below", "above"])
def guard(request: pytest.FixtureRequest) -> Guard:
    """Copies an array so that one end touches a guard page."""
    return partial(guarded_copy, at_start=request.param == "below")


def needed_rows(window: F32, reach: int) -> F32:
    """The window without the rows around the image, unless they may be read."""
    return window if reach else np.ascontiguousarray(window[1:-1])


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("c_in", "c_out"), [(3, 64), (64, 64), (17, 12), (65, 80), (16, 3)])
def test_convolution(isa: str, guard: Guard, rng: np.random.Generator, c_in: int, c_out: int, k: int) -> None:
    weight = rng.standard_normal((c_out, c_in, k, k)).astype(np.float32)
    bias = guard(rng.standard_normal(c_out).astype(np.float32))
    packed = native.PackedConv(guard(weight), bias, [c_in])
    x = guard(needed_rows(make_window(random_map(rng, H, W, c_in)), k // 2))
    addend, residual = (guard(make_window(random_map(rng, H, W, c_out))[1:-1]) for _ in range(2))
    out = guard(np.zeros((H, W + 2, stride_of(c_out)), np.float32))
    native.conv_rows(packed, [(x, -(k // 2))], out, 0, 0, H, "relu", 0.0, None, (residual, 0), (addend, 0))
    native.conv_rows(packed, [(x, -(k // 2))], out, 0, 0, H, "relu")
    dense = out.copy()
    for density in (0.1, 0.5, 1.0):
        conv_at(packed, [(x, -(k // 2))], out, rng.random((H, W)) < density, "relu")(2)
    assert np.array_equal(out, dense, equal_nan=True)


@pytest.mark.parametrize(("c_in", "c_out"), [(16, 2), (64, 64), (5, 33)])
def test_transposed_convolution(
    isa: str, guard: Guard, rng: np.random.Generator, c_in: int, c_out: int
) -> None:
    weight = rng.standard_normal((c_in, c_out, 3, 3)).astype(np.float32)
    packed = native.PackedDeconv(guard(weight), guard(np.zeros(c_out, np.float32)))
    x = guard(make_window(random_map(rng, H, W, c_in))[1:-1])
    out = guard(np.zeros((2 * H, 2 * W + 2, stride_of(c_out)), np.float32))
    native.conv_transpose2x_rows(packed, x, 0, H, out, 0, 0, 2 * H, threads=2)
    assert out[:, 1:-1, :c_out].any(axis=2).all()


def test_masks(isa: str, guard: Guard, rng: np.random.Generator) -> None:
    for half in (np.float32, np.uint16):
        x = guard(make_window(random_map(rng, H, W, 24))[1:-1].astype(half))
        weights = native.UpsampledMaskWeights(
            guard(rng.standard_normal((24, 2, 3, 3)).astype(np.float32)), guard(np.zeros(2, np.float32))
        )
        mask = native.PixelMask(2 * H, 2 * W)
        mask.grow_upsampled(weights, x, 0, H, 2 * H, 0.0, threads=2)
        assert mask.rows == 2 * H
    values = guard(make_window(random_map(rng, 2 * H, 2 * W, 24))[1:-1])
    outside = (mask, guard(np.ones(24, np.float32)))
    native.row_sums(values, 0, 0, 2 * H, guard(np.zeros((2 * H, 24), np.float64)), outside)
    scale = guard(np.ones(24, np.float32))
    native.scale_add_rows(values, 0, scale, None, guard(values.copy()), 0, 0, 2 * H, None, outside)


def test_maps(isa: str, guard: Guard, rng: np.random.Generator) -> None:
    x = guard(make_window(random_map(rng, 2 * H, 2 * W, 24))[1:-1])
    half = guard(np.zeros((H, W + 2, 32), np.float32))
    native.avg_pool2x2_rows(x, 0, half, 0, 0, H)
    sums = guard(np.zeros((H, 24), np.float64))
    native.row_sums(half, 0, 0, H, sums)
    scale = guard(rng.standard_normal(24).astype(np.float32))
    out = guard(np.zeros_like(half))
    native.scale_add_rows(half, 0, scale, (half, 0), out, 0, 0, H, threads=2)
    assert np.allclose(out[:, 1:-1, :24], half[:, 1:-1, :24] * (scale + 1), rtol=1e-5, atol=1e-35)
    w1, w2 = (guard(rng.standard_normal(shape).astype(np.float32)) for shape in ((3, 24), (24, 3)))
    vector = native.channel_attention(scale, w1, guard(np.zeros(3, np.float32)), w2, guard(scale))
    assert vector.shape == (24,)


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_single_maps(isa: str, guard: Guard, rng: np.random.Generator, dtype: type) -> None:
    x = make_window(rng.random((H, W, 24), np.float32))
    x = guard((x.view(np.uint32) >> 16).astype(np.uint16) if dtype is np.uint16 else x)
    weights, bias = guard(np.ones((9, 32), np.float32)), guard(np.ones(32, np.float32))
    out = guard(np.zeros((H, W + 2, 32), dtype))
    native.depthwise_conv3x3_rows(x, -1, weights, bias, "leaky_relu", bias, out, 0, 0, H, threads=2)
    large = guard(np.zeros((2 * H, 2 * W + 2, 32), dtype))
    native.nearest_rows(out, 0, 2, large, 0, 0, 2 * H, threads=2)
    native.add_rows([(large, 0), (large, 0)], bias[:2].copy(), "none", bias, large, 0, 0, 2 * H, threads=2)
    if dtype is np.float32:
        native.sigmoid_rows(large, 0, 24, large, 0, 0, 2 * H, threads=2)
    assert large[:, 1:-1, :24].any(axis=2).all()


@pytest.mark.parametrize("fill", ["everywhere", "border"])
def test_masked_convolution(isa: str, guard: Guard, rng: np.random.Generator, fill: str) -> None:
    mask = native.PixelMask(H, W)
    mask.grow(guard(make_window(random_map(rng, H, W, 2))[1:-1]), 0, H, 0.0)
    full, outside = (
        native.PackedConv(guard(rng.standard_normal((c, 64, 3, 3)).astype(np.float32)), None, [64])
        for c in (64, 3)
    )
    x = [(guard(make_window(random_map(rng, H, W, 64))), -1)]
    out = guard(np.ones((H, W + 2, 64), np.float32))
    constants = guard(np.zeros(48, np.float32))
    native.masked_conv_rows(
        full, x, outside, x, mask, out, 0, 0, H, "none", 0.0, None, fill, constants, threads=2
    )
    inactive = mask.inactive(0, H) if fill == "everywhere" else mask.border(0, H)
    assert 0 < len(inactive) < H * W
    assert (out.reshape(-1, 64)[inactive, 16:] == 0).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_images(isa: str, guard: Guard, rng: np.random.Generator, dtype: type, scale: int) -> None:
    image = guard((rng.random((H, W, 3)) * 200).astype(dtype))
    window = guard(np.zeros((H, W + 2, 4), np.float32))
    native.image_rows(image, guard(np.zeros(3, np.float32)), window, 0, 0, H, H, W)
    upscaled = guard(np.zeros((scale * H, scale * W + 2, 4), np.float32))
    native.bicubic_rows(window, 0, H, scale, upscaled, 0, 0, scale * H)
    x = guard(make_window(rng.standard_normal((H, W, 3 * scale**2)).astype(np.float32))[1:-1])
    out = guard(np.zeros_like(upscaled))
    native.pixel_shuffle_rows(x, 0, scale, 3, (upscaled, 0), out, 0, 0, H, threads=2)
    result = guard(np.zeros((scale * H, scale * W, 3), dtype))
    native.store_rows(out, 0, result, 0, scale * H)
    assert result.any()


@pytest.mark.parametrize("place", ["array.ctypes.data - 4", "array.ctypes.data + array.nbytes"])
def test_guard_page__ends_a_process_that_reads_beyond_it(place: str) -> None:
    side = "True" if "-" in place else "False"
    code = (
        "import ctypes, faulthandler; faulthandler.disable(); from guard_pages import guarded;"
        f"array = guarded((3, 5), at_start={side}); array[:] = 1; print('ready', flush=True);"
        f"print(ctypes.c_float.from_address({place}).value)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "ready\n"
    assert run.returncode != 0


def test_guarded_arrays_hold_values() -> None:
    for at_start in (False, True):
        array = guarded((7, 3), np.int32, at_start=at_start)
        array[...] = np.arange(21).reshape(7, 3)
        assert array.sum() == 210
