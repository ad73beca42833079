"""Masked convolutions: each pixel equals its plain convolution bit for bit; no other memory is written."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from balanced_weights import balanced_weight
from bf16_maps import to_bf16
from native_cases import Guarded, border_of, make_window, mask_of, masks, random_map, stride_of

from sparsesr import _native as native

H, W = 11, 17


def everywhere(packed: native.PackedConv, inputs: list, like: np.ndarray) -> np.ndarray:
    out = np.zeros_like(like)
    native.conv_rows(packed, inputs, out, 0, 0, H, "relu")
    return out[:H, 1:-1]


@pytest.mark.parametrize("fill", ["everywhere", "border", "nowhere"])
@pytest.mark.parametrize(
    ("c_out", "dense_in", "dense_out"), [(64, 24, 9), (64, 16, 16), (48, 5, 0), (20, 8, 3)]
)
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_each_pixel_equals_its_plain_convolution(
    isa: str, rng: np.random.Generator, dtype: str, c_out: int, dense_in: int, dense_out: int, fill: str
) -> None:
    weight = rng.standard_normal((c_out, 32, 3, 3)).astype(np.float32)
    inner = np.ascontiguousarray(weight[:dense_out, :dense_in])
    full = native.PackedConv(weight, None, [32], dtype)
    outside = native.PackedConv(inner, None, [dense_in], dtype) if dense_out else None
    x = make_window(random_map(rng, H, W, 32))
    inputs = [(x if dtype == "f32" else to_bf16(x), -1)]
    stride = stride_of(c_out)
    behind = stride - (-(-dense_out // 16) * 16)
    constants = rng.standard_normal(behind).astype(np.float32)

    for active in masks(rng, H, W):
        guarded = Guarded.make(H, W, stride)
        out = guarded.window if dtype == "f32" else np.full(guarded.window.shape, 0x7FC1, np.uint16)
        before = out[:H, 1:-1].copy()
        mask = mask_of(active)
        for r0, r1 in pairwise([0, 1, 6, H]):
            native.masked_conv_rows(
                full, inputs, outside, inputs if outside else [], mask, out, 0, r0, r1, "relu", 0.0, None, fill,
                constants, threads=2,
            )  # fmt: skip
        actual = out[:H, 1:-1]
        assert np.array_equal(actual[active], everywhere(full, inputs, out)[active])
        filled = {"everywhere": ~active, "border": border_of(active), "nowhere": np.zeros_like(active)}[fill]
        narrowed = constants if dtype == "f32" else to_bf16(constants)
        assert (actual[filled][:, stride - behind :] == narrowed).all()
        untouched = ~active & ~filled
        assert np.array_equal(
            actual[untouched][:, stride - behind :], before[untouched][:, stride - behind :], equal_nan=True
        )
        if outside is not None:
            expected = everywhere(outside, inputs, out)
            assert np.array_equal(
                actual[~active][:, : stride - behind], expected[~active][:, : stride - behind]
            )
        if dtype == "f32":
            guarded.assert_only_written(np.ones((H, W), np.bool_))


@pytest.mark.parametrize("is_balanced", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_with_a_residual_inactive_pixels_stay_unchanged(
    isa: str, rng: np.random.Generator, dtype: str, in_place: bool, is_balanced: bool
) -> None:
    weight = rng.standard_normal((48, 32, 3, 3)).astype(np.float32)
    if is_balanced:
        weight = balanced_weight(rng, 48, 32, 3, keep=2, block=16)
    full = native.PackedConv(weight, None, [32], dtype)
    x, y = make_window(random_map(rng, H, W, 32)), make_window(random_map(rng, H, W, 48))
    if dtype == "bf16":
        x, y = to_bf16(x), to_bf16(y)
    expected = np.zeros_like(y)
    native.conv_rows(full, [(x, -1)], expected, -1, 0, H, "relu", residual=(y, -1))
    for active in masks(rng, H, W):
        residual = y.copy()
        out = residual if in_place else np.full_like(y, 7)
        before = out.copy()
        for r0, r1 in pairwise([0, 1, 6, H]):
            native.masked_conv_rows(
                full, [(x, -1)], None, [], mask_of(active), out, -1, r0, r1, "relu", 0.0, None, "nowhere",
                np.zeros(0, np.float32), None, (residual, -1), threads=2,
            )  # fmt: skip
        inside = np.pad(active, 1)
        np.testing.assert_array_equal(out[inside], expected[inside])
        np.testing.assert_array_equal(out[~inside], before[~inside])


@pytest.mark.parametrize("always", [0, 5, 24])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_skipped_taps_change_nothing(isa: str, rng: np.random.Generator, dtype: str, always: int) -> None:
    weight = rng.standard_normal((48, 24, 3, 3)).astype(np.float32)
    full = native.PackedConv(weight, None, [24], dtype)
    for active in [*masks(rng, H, W), rng.random((H, W)) < 0.1]:
        values = random_map(rng, H, W, 24)
        values[:, :, always:] *= active[:, :, None]
        x = make_window(values)
        inputs = [(x if dtype == "f32" else to_bf16(x), -1)]
        results = []
        for known in (None, [always]):
            out = np.zeros((H, W + 2, 48), np.float32)
            native.masked_conv_rows(
                full, inputs, None, [], mask_of(active, [4, H]), out, 0, 0, H, "relu", 0.0, None, "nowhere",
                np.zeros(0, np.float32), known, threads=2,
            )  # fmt: skip
            results.append(out)
        np.testing.assert_array_equal(*results)


def test_taps_at_inactive_pixels_are_skipped(isa: str) -> None:
    if isa == "scalar":
        pytest.skip("the definition computes them")
    active = np.zeros((H, W), np.bool_)
    active[5, 5] = True
    x = np.full((H + 2, W + 2, 16), np.nan, np.float32)
    x[:, :, :4] = 1.0
    x[6, 6] = 2.0
    out = np.zeros((H, W + 2, 64), np.float32)
    full = native.PackedConv(np.ones((64, 16, 3, 3), np.float32), None, [16])
    native.masked_conv_rows(
        full, [(x, -1)], None, [], mask_of(active), out, 0, 0, H, "none", 0.0, None, "nowhere", np.zeros(0, np.float32),
        [4],
    )  # fmt: skip
    assert (out[5, 6] == 8 * 4 + 2 * 16).all()


def test_where_the_border_is_unknown_all_inactive_pixels_are_filled(rng: np.random.Generator) -> None:
    active = np.zeros((H, W), np.bool_)
    active[0, 0] = True
    full = native.PackedConv(np.zeros((16, 16, 3, 3), np.float32), None, [16])
    mask, out = mask_of(active, [6]), np.full((H, W + 2, 16), 7.0, np.float32)
    inputs = [(np.zeros((H + 2, W + 2, 16), np.float32), -1)]
    native.masked_conv_rows(
        full, inputs, None, [], mask, out, 0, 0, 6, "none", 0.0, None, "border", np.zeros(16, np.float32)
    )
    cleared = (out[:, 1:-1] == 0).all(axis=2)
    assert cleared[:2, :2].all() and cleared[:5].sum() == 4
    assert cleared[5].all() and not cleared[6:].any()


BAD: dict[str, dict[str, Any]] = {
    "'fill' must be": {"fill": "somewhere"},
    "'out' has room": {"constants": np.zeros(17, np.float32)},
    "leave the channels of": {"constants": np.zeros(1, np.float32)},
    "must be float32": {"constants": np.zeros(4)},
    "'inputs' must be 1 windows": {"outside_inputs": []},
    "holds rows": {"out_row0": 1},
    "'threads'": {"threads": 0},
    "'always' must be": {"always": [17]},
    "inactive pixels are left alone": {"residual": (np.zeros((H + 2, W + 2, 16), np.float32), -1)},
    "'residual' and 'out' must be of the same type": {
        "residual": (np.zeros((H + 2, W + 2, 16), np.uint16), -1),
        "outside": None,
        "fill": "nowhere",
    },
    "'always' must be a number of channels for each": {"always": []},
}


@pytest.mark.parametrize("message", BAD)
def test_invalid_arguments_are_refused(message: str) -> None:
    packed = native.PackedConv(np.zeros((16, 16, 3, 3), np.float32), None, [16])
    x = np.zeros((H + 2, W + 2, 16), np.float32)
    arguments: dict[str, Any] = {
        "full": packed, "inputs": [(x, -1)], "outside": packed, "outside_inputs": [(x, -1)],
        "mask": mask_of(np.ones((H, W), np.bool_)), "out": np.zeros_like(x), "out_row0": -1, "r0": 0, "r1": H,
        "activation": "none", "slope": 0.0, "slopes": None, "fill": "border", "constants": np.zeros(0, np.float32),
    }  # fmt: skip
    native.masked_conv_rows(**arguments)
    with pytest.raises(ValueError, match=message):
        native.masked_conv_rows(**(arguments | BAD[message]))


def test_outputs_outside_the_mask_are_a_subset_of_those_inside() -> None:
    full, outside = (native.PackedConv(np.zeros((c, 4, 1, 1), np.float32), None, [4]) for c in (16, 17))
    mask, x = mask_of(np.ones((H, W), np.bool_)), [(np.zeros((H, W + 2, 16), np.float32), 0)]
    out, nothing = np.zeros((H, W + 2, 32), np.float32), np.zeros(0, np.float32)
    with pytest.raises(ValueError, match="more outputs than 'full'"):
        native.masked_conv_rows(
            full, x, outside, x, mask, out, 0, 0, H, "none", 0.0, None, "nowhere", nothing
        )


def test_mismatched_masks_are_refused() -> None:
    packed = native.PackedConv(np.zeros((16, 16, 3, 3), np.float32), None, [16])
    x, out = np.zeros((H + 2, W + 2, 16), np.float32), np.zeros((H, W + 2, 16), np.float32)
    for mask, message in (
        (native.PixelMask(H, W), "so far"),
        (mask_of(np.ones((H, W + 1), np.bool_)), "must have width"),
    ):
        with pytest.raises(ValueError, match=message):
            native.masked_conv_rows(
                packed,
                [(x, -1)],
                None,
                [],
                mask,
                out,
                0,
                0,
                H,
                "none",
                0.0,
                None,
                "border",
                np.zeros(4, np.float32),
            )
