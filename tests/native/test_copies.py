"""Quantised copies that convolutions and sums write of their results."""

from __future__ import annotations

import numpy as np
import pytest
from bf16_maps import numbers, stored
from guard_pages import guarded
from int8_maps import SIGNED, UNSIGNED, Steps, exact_sums, quantised, window_of
from native_cases import F32, border_of, make_window, mask_of, random_map, stride_of

from sparsesr import _native as native

H, W = 7, 61
CANARY = 171
OUT = Steps(0.02, 128)


def copy_window(channels: int) -> np.ndarray:
    window = guarded((H, W + 2, stride_of(channels)), np.uint8)
    window[...] = CANARY
    return window


def random_weight(rng: np.random.Generator, c_in: int, c_out: int) -> F32:
    return (rng.standard_normal((c_out, c_in, 3, 3)) / np.sqrt(c_in * 9)).astype(np.float32)


def random_bytes(rng: np.random.Generator, c: int) -> np.ndarray:
    return rng.integers(0, 256, (H, W, c)).astype(np.uint8)


@pytest.mark.parametrize("out_dtype", ["f32", "bf16"])
@pytest.mark.parametrize(
    ("dtype", "c_in", "c_out"),
    [("f32", 3, 40), ("f32", 32, 32), ("u8", 32, 64), ("u8", 64, 16), ("u8", 5, 9)],
)
def test_conv__copies_its_result(
    isa: str, rng: np.random.Generator, dtype: str, c_in: int, c_out: int, out_dtype: str
) -> None:
    weight = random_weight(rng, c_in, c_out)
    if dtype == "u8":
        packed = native.PackedConv(weight, None, [c_in], "u8", [SIGNED])
        x = window_of(random_bytes(rng, c_in), SIGNED)
    else:
        packed, x = native.PackedConv(weight, None, [c_in]), make_window(random_map(rng, H, W, c_in))
    out, copy = stored(np.zeros((H, W + 2, stride_of(c_out)), np.float32), out_dtype), copy_window(c_out)
    native.conv_rows(packed, [(x, -1)], out, 0, 1, H, "relu", copy=(copy, 0, OUT), threads=2)
    assert np.array_equal(copy[1:, 1:-1], quantised(numbers(out[1:, 1:-1]), OUT))
    assert out[1:, 1:-1, :c_out].any()
    assert (copy[0] == CANARY).all() and (copy[:, [0, -1]] == CANARY).all()


@pytest.mark.parametrize("out_dtype", ["f32", "bf16"])
@pytest.mark.parametrize("copied", ["nowhere", "border", "everywhere"])
@pytest.mark.parametrize(("density", "c"), [(0.02, 32), (0.3, 32), (0.9, 64), (0.9, 16), (0.5, 24)])
def test_masked_conv__copies_active_pixels_and_what_readers_need(
    isa: str, rng: np.random.Generator, copied: str, density: float, c: int, out_dtype: str
) -> None:
    active = rng.random((H, W)) < density
    before = rng.standard_normal((H, W, c)).astype(np.float32) * 3
    before[0, :3, 0] = np.nan, 1e30, -1e30
    trunk = stored(make_window(before), out_dtype)
    weight, x = random_weight(rng, c, c), random_bytes(rng, c)
    x[~active] = UNSIGNED.zero
    packed = native.PackedConv(weight, None, [c], "u8", [UNSIGNED])
    copy, residual = copy_window(c), numbers(trunk[1:-1, 1:-1, :c].copy())
    native.masked_conv_rows(
        packed, [(window_of(x, UNSIGNED), -1)], None, [], mask_of(active), trunk, -1, 0, H,
        "none", 0.0, None, "nowhere", np.zeros(0, np.float32), [0], (trunk, -1), None, (copy, 0, OUT), copied, 2,
    )  # fmt: skip
    needed = {"nowhere": active, "border": active | border_of(active), "everywhere": np.ones_like(active)}[
        copied
    ]
    sums = exact_sums([x], weight, None, [UNSIGNED])
    result = np.where(active[..., None], numbers(stored(sums + residual, out_dtype)), residual)
    assert np.array_equal(numbers(trunk[1:-1, 1:-1, :c]), result, equal_nan=True)
    expected = quantised(numbers(trunk[1:-1, 1:-1]), OUT)
    assert np.array_equal(copy[:, 1:-1][needed], expected[needed])
    assert (copy[:, 1:-1][~needed] == CANARY).all()


def test_masked_conv__copies_inactive_pixels_whose_border_is_unknown(
    isa: str, rng: np.random.Generator
) -> None:
    active = rng.random((H, W)) < 0.3
    mask = mask_of(active, [H - 2])  # the border of its last row depends on the next one
    trunk = make_window(rng.standard_normal((H, W, 16)).astype(np.float32))
    packed = native.PackedConv(random_weight(rng, 16, 16), None, [16], "u8", [UNSIGNED])
    copy = copy_window(16)
    native.masked_conv_rows(
        packed, [(window_of(random_bytes(rng, 16), UNSIGNED), -1)], None, [], mask, trunk, -1, 0, H - 2,
        "none", 0.0, None, "nowhere", np.zeros(0, np.float32), [0], (trunk, -1), None, (copy, 0, OUT), "border", 1,
    )  # fmt: skip
    assert np.array_equal(copy[H - 3, 1:-1], quantised(trunk[H - 2, 1:-1], OUT))


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_scale_add__copies_its_result(isa: str, rng: np.random.Generator, dtype: str) -> None:
    x, scale = (
        stored(make_window(random_map(rng, H, W, 24)), dtype),
        rng.standard_normal(24).astype(np.float32),
    )
    out, copy = np.zeros_like(x), copy_window(24)
    native.scale_add_rows(x, -1, scale, (x, -1), out, -1, 2, H, (copy, 0, OUT), threads=2)
    assert np.array_equal(copy[2:, 1:-1, :24], quantised(numbers(out[3:-1, 1:-1, :24]), OUT))
    assert (copy[:2] == CANARY).all()


def test_invalid_copies_are_refused(rng: np.random.Generator) -> None:
    weight, x = np.zeros((16, 16, 3, 3), np.float32), np.zeros((3, 6, 16), np.float32)
    packed, out = native.PackedConv(weight, None, [16]), np.zeros((1, 6, 16), np.float32)
    good = np.zeros((1, 6, 16), np.uint8)
    native.conv_rows(packed, [(x, -1)], out, 0, 0, 1, copy=(good, 0, OUT))
    for bad, message in (
        (np.zeros((1, 6, 16), np.float32), "uint8"),
        (np.zeros((1, 7, 16), np.uint8), "copy"),
        (np.zeros((1, 6, 32), np.uint8), "same stride"),
        (out.view(np.uint8)[:, :, :16].copy()[:0], "rows"),
    ):
        with pytest.raises(ValueError, match=message):
            native.conv_rows(packed, [(x, -1)], out, 0, 0, 1, copy=(bad, 0, OUT))
    with pytest.raises(ValueError, match="scale must be positive"):
        native.conv_rows(packed, [(x, -1)], out, 0, 0, 1, copy=(good, 0, (0.0, 0)))
    mask, nothing = mask_of(np.ones((1, 4), np.bool_)), np.zeros(0, np.float32)
    arguments = (packed, [(x, -1)], None, [], mask, out, 0, 0, 1, "none", 0.0, None, "nowhere", nothing)
    with pytest.raises(ValueError, match="needs a 'residual'"):
        native.masked_conv_rows(*arguments, copy=(good, 0, OUT))
    with pytest.raises(ValueError, match="without a 'copy'"):
        native.masked_conv_rows(*arguments, copied="border")
    with pytest.raises(ValueError, match="'out' of float32 or bf16"):
        native.conv_rows(packed, [(x, -1)], good.copy(), 0, 0, 1, out_steps=OUT, copy=(good, 0, OUT))
