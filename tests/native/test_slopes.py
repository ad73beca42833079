"""Convolutions with a slope per output channel (PReLU): against float64 and against equivalent forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bf16_maps import assert_rounded, empty, inside, rounded, to_bf16
from guard_pages import guarded_copy
from native_cases import (
    F32,
    F64,
    conv_at,
    conv_reference,
    make_window,
    mask_of,
    masks,
    random_map,
    stride_of,
)

from sparsesr import _native as native

H, W = 4, 13
SHAPES = [(64, 1), (64, 3), (33, 7), (17, 65), (64, 12), (5, 16), (27, 24), (16, 33), (3, 64), (16, 80)]
"""Inputs and outputs. With AVX-512, channels are in the lanes for the first three and the 65th output."""


def slopes_of(rng: np.random.Generator, c_out: int) -> F32:
    """Ending at a guard page; learned slopes may have any value."""
    return guarded_copy(rng.uniform(-1.5, 1.5, c_out).astype(np.float32))


def prelu(values: F64, slopes: F32) -> F64:
    return np.where(values < 0, values * slopes, values)


def random_weight(rng: np.random.Generator, c_out: int, c_in: int, k: int) -> F32:
    return (rng.standard_normal((c_out, c_in, k, k)) / np.sqrt(c_in * k * k)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("c_in", "c_out"), SHAPES)
@pytest.mark.parametrize("types", [("f32", "f32"), ("f32", "bf16"), ("bf16", "f32"), ("bf16", "bf16")])
def test_each_output_has_its_slope(
    isa: str, rng: np.random.Generator, types: tuple[str, str], c_in: int, c_out: int, k: int
) -> None:
    dtype, out = types
    weight, slopes = rounded(random_weight(rng, c_out, c_in, k)), slopes_of(rng, c_out)
    bias = rng.standard_normal(c_out).astype(np.float32)
    x, addend, residual = (rounded(random_map(rng, H, W, c)) for c in (c_in, c_out, c_out))
    as_in, as_out = (to_bf16 if each == "bf16" else np.asarray for each in types)
    result = empty(H, W, c_out, out)
    native.conv_rows(
        native.PackedConv(weight, bias, [c_in], dtype), [(as_in(make_window(x)), -1)], result, 0, 0, H,
        "leaky_relu", 0.0, slopes, (as_out(make_window(residual)), -1), (as_out(make_window(addend)), -1), threads=2,
    )  # fmt: skip
    total, magnitude = conv_reference(x, weight, bias)
    magnitude = (magnitude + np.abs(addend)) * np.maximum(1, np.abs(slopes)) + np.abs(residual)
    assert_rounded(inside(result, c_out), prelu(total + addend, slopes) + residual, magnitude, out)
    assert (inside(result)[:, :, c_out:] == 0).all()


def test_the_shapes_cover_both_block_layouts() -> None:
    """Packed weights differ in size between channels in the lanes and outputs in the lanes."""
    if "avx512" not in native.cpu_features():
        pytest.skip("only AVX-512 kernels know channels in the lanes")

    def has_channels_in_lanes(c_in: int, c_out: int) -> bool:
        packed = native.PackedConv(np.ones((c_out, c_in, 3, 3), np.float32), None, [c_in])
        return packed.nbytes != stride_of(c_out) * (9 * c_in + 1) * 4

    forms = [has_channels_in_lanes(*shape) for shape in SHAPES]
    assert forms == [True] * 4 + [False] * 6


@pytest.mark.parametrize("c_out", [3, 33, 64])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_equal_slopes_are_one_slope(isa: str, rng: np.random.Generator, dtype: str, c_out: int) -> None:
    window = make_window(random_map(rng, H, W, 24))
    inputs = [(window if dtype == "f32" else to_bf16(window), -1)]
    packed = native.PackedConv(random_weight(rng, c_out, 24, 3), None, [24], dtype)
    one, each = (empty(H, W, c_out, dtype) for _ in range(2))
    native.conv_rows(packed, inputs, one, 0, 0, H, "leaky_relu", 0.3)
    native.conv_rows(packed, inputs, each, 0, 0, H, "leaky_relu", 7.0, np.full(c_out, 0.3, np.float32))
    assert np.array_equal(one, each)


@pytest.mark.parametrize("c_out", [3, 7, 64, 65])
def test_listed_pixels_get_the_same_bits(isa: str, rng: np.random.Generator, c_out: int) -> None:
    packed = native.PackedConv(random_weight(rng, c_out, 64, 3), None, [64])
    inputs, slopes = [(make_window(random_map(rng, H, W, 64)), -1)], slopes_of(rng, c_out)
    dense = empty(H, W, c_out, "f32")
    native.conv_rows(packed, inputs, dense, 0, 0, H, "leaky_relu", 0.0, slopes)
    for mask in masks(rng, H, W):
        listed = empty(H, W, c_out, "f32")
        conv_at(packed, inputs, listed, mask, "leaky_relu", 0.0, slopes)(2)
        assert np.array_equal(listed[:, 1:-1][mask], dense[:, 1:-1][mask])


@pytest.mark.parametrize(("c_out", "dense_out"), [(64, 9), (48, 33), (20, 3)])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_outside_a_mask_the_first_slopes_apply(
    isa: str, rng: np.random.Generator, dtype: str, c_out: int, dense_out: int
) -> None:
    weight, slopes = random_weight(rng, c_out, 32, 3), slopes_of(rng, c_out)
    full, outside = (native.PackedConv(weight[:c].copy(), None, [32], dtype) for c in (c_out, dense_out))
    window = make_window(random_map(rng, H, W, 32))
    inputs = [(window if dtype == "f32" else to_bf16(window), -1)]
    expected = empty(H, W, c_out, dtype)
    native.conv_rows(full, inputs, expected, 0, 0, H, "leaky_relu", 0.0, slopes)
    active = rng.random((H, W)) < 0.4
    result = empty(H, W, c_out, dtype)
    native.masked_conv_rows(
        full, inputs, outside, inputs, mask_of(active), result, 0, 0, H, "leaky_relu", 0.0, slopes, "nowhere",
        np.zeros(0, np.float32), threads=2,
    )  # fmt: skip
    assert np.array_equal(result[:, 1:-1][active], expected[:, 1:-1][active])
    # A narrower block may have channels in the lanes and thus another order of additions.
    outer, whole = inside(result, dense_out)[~active], inside(expected, dense_out)[~active]
    np.testing.assert_allclose(outer, whole, rtol=1e-2 if dtype == "bf16" else 1e-4, atol=0.05)


@pytest.mark.parametrize("c_out", [1, 16])
def test_nan_propagates_and_zero_is_not_below_zero(isa: str, c_out: int) -> None:
    x = np.array([np.nan, 0.0, -0.0, -2.0, 3.0, -np.inf, np.inf], np.float32).reshape(1, 7, 1)
    packed = native.PackedConv(np.ones((c_out, 1, 1, 1), np.float32), None, [1])
    result = empty(1, 7, c_out, "f32")
    slopes = np.full(c_out, -0.5, np.float32)
    native.conv_rows(packed, [(make_window(x), -1)], result, 0, 0, 1, "leaky_relu", 0.0, slopes)
    expected = np.array([np.nan, 0.0, 0.0, 1.0, 3.0, np.inf, np.inf], np.float32)
    assert np.array_equal(inside(result, c_out)[0], np.repeat(expected[:, None], c_out, 1), equal_nan=True)


BAD: dict[str, dict[str, Any]] = {
    "one value per output": {"slopes": np.zeros(15, np.float32)},
    "must be float32": {"slopes": np.zeros(16)},
    "must have 1 dim": {"slopes": np.zeros((1, 16), np.float32)},
    "belong to the activation leaky_relu": {"activation": "relu"},
}


@pytest.mark.parametrize("message", BAD)
def test_mismatched_slopes_are_refused(message: str) -> None:
    packed = native.PackedConv(np.zeros((16, 16, 3, 3), np.float32), None, [16])
    x = np.zeros((H + 2, W + 2, 16), np.float32)
    given: dict[str, Any] = {"activation": "leaky_relu", "slope": 0.0, "slopes": np.zeros(16, np.float32)}
    mask, nothing = mask_of(np.ones((H, W), np.bool_)), np.zeros(0, np.float32)
    place = {"inputs": [(x, -1)], "out": np.zeros_like(x), "out_row0": -1}
    masked = {"outside": None, "outside_inputs": [], "mask": mask, "fill": "nowhere", "constants": nothing}
    for call in (
        lambda given: native.conv_rows(packed, **place, r0=0, r1=H, **given),
        lambda given: native.masked_conv_rows(packed, **place, r0=0, r1=H, **masked, **given),
    ):
        call(given)
        with pytest.raises(ValueError, match=message):
            call(given | BAD[message])
