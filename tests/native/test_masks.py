"""Masks: lists of active, inactive and border pixels."""

from __future__ import annotations

import numpy as np
import pytest
from bf16_maps import rounded, to_bf16
from native_cases import F32, border_of, make_window, mask_of, masks, pixel_numbers

from sparsesr import _native as native


@pytest.mark.parametrize("bias", [0.0, -0.5, 100.0, -100.0])
def test_grow__lists_are_in_raster_order(isa: str, rng: np.random.Generator, bias: float) -> None:
    h, w = 9, 13
    logits = rng.standard_normal((h, w, 2)).astype(np.float32)
    logits[3, 4] = 0.25  # a tie is inactive
    logits[3, 5, 0] = np.nan
    expected = logits[:, :, 1] + np.float32(bias) > logits[:, :, 0]
    for ends in ([h], [1, 4, 4, h]):
        mask = native.PixelMask(h, w)
        for end in ends:
            mask.grow(make_window(logits), -1, end, bias)
        assert (mask.rows, mask.n_active) == (h, expected.sum())
        assert np.array_equal(mask.active(0, h), pixel_numbers(expected))
        assert np.array_equal(mask.inactive(0, h), pixel_numbers(~expected))
        assert np.array_equal(mask.image(h, w), expected)
        assert np.array_equal(mask.image(4, 7), expected[:4, :7])
        some = pixel_numbers(expected & (np.arange(h) // 3 == 1)[:, None])
        assert np.array_equal(mask.active(3, 6), some)


def _logits_of(weight: F32, bias: F32, x: F32) -> F32:
    """Transposed convolution with stride 2, padding 1 and output padding 1, in float64."""
    h, w, _ = x.shape
    logits = np.zeros((2 * h + 1, 2 * w + 1, 2))
    for i in range(3):
        for j in range(3):
            products = x.astype(np.float64) @ weight[:, :, i, j].astype(np.float64)
            logits[i : i + 2 * h : 2, j : j + 2 * w : 2] += products
    return logits[1:, 1:] + bias


@pytest.mark.parametrize(("h", "w", "c"), [(3, 5, 16), (4, 33, 16), (5, 64, 20), (1, 1, 3)])
@pytest.mark.parametrize("bias", [0.0, -0.75])
def test_grow_upsampled__is_the_sign_of_a_transposed_convolution(
    isa: str, rng: np.random.Generator, h: int, w: int, c: int, bias: float
) -> None:
    weight = rng.standard_normal((c, 2, 3, 3)).astype(np.float32)
    constant = rng.standard_normal(2).astype(np.float32)
    weights = native.UpsampledMaskWeights(weight, constant)
    window = make_window(rng.standard_normal((h, w, c)).astype(np.float32))
    for x, values in ((window, window), (to_bf16(window), rounded(window))):
        logits = _logits_of(weight, constant, values[1:-1, 1:-1, :c])
        difference = logits[:, :, 1] + bias - logits[:, :, 0]
        assert (np.abs(difference) > 1e-5).all()  # no pixel is so near the threshold that rounding decides
        for ends in ([2 * h], [1, 2, 2 * h]):
            mask = native.PixelMask(2 * h, 2 * w)
            for end in ends:
                mask.grow_upsampled(weights, x, -1, h, end, bias, threads=2)
            assert np.array_equal(mask.active(0, 2 * h), pixel_numbers(difference > 0))
            assert np.array_equal(mask.border(0, 2 * h), pixel_numbers(border_of(difference > 0)))


def test_grow_upsampled__reads_no_row_below_the_map(isa: str, rng: np.random.Generator) -> None:
    weights = native.UpsampledMaskWeights(rng.standard_normal((16, 2, 3, 3)).astype(np.float32), None)
    x = make_window(rng.standard_normal((3, 5, 16)).astype(np.float32))
    masks_of = []
    for below in (0.0, np.nan):
        x[-1] = below
        mask = native.PixelMask(6, 10)
        mask.grow_upsampled(weights, x, -1, 3, 6, 0.0)
        masks_of.append(mask.active(0, 6))
    assert np.array_equal(*masks_of)


def test_border__lists_inactive_neighbours_of_active_pixels(rng: np.random.Generator) -> None:
    for h, w in ((12, 7), (5, 31), (3, 1)):
        for active in [*masks(rng, h, w), rng.random((h, w)) < 0.1]:
            for ends in ([h], [1, 2, h]):
                mask = mask_of(active, ends)
                assert mask.border_rows == h
                assert np.array_equal(mask.border(0, h), pixel_numbers(border_of(active)))


def test_border__of_the_last_row_needs_the_next_row(rng: np.random.Generator) -> None:
    active = rng.random((8, 9)) < 0.3
    mask = mask_of(active, [5])
    assert (mask.rows, mask.border_rows) == (5, 4)
    expected = pixel_numbers(border_of(active))
    assert np.array_equal(mask.border(0, 5), expected[expected < 4 * 11])


def test_clear__removes_all_rows(rng: np.random.Generator) -> None:
    active = rng.random((4, 5)) < 0.5
    mask = mask_of(~active)
    mask.clear()
    assert (mask.rows, mask.n_active, mask.border_rows) == (0, 0, 0)
    logits = np.stack([np.zeros((4, 5)), active - 0.5], axis=2).astype(np.float32)
    mask.grow(make_window(logits), -1, 4, 0.0)
    assert np.array_equal(mask.active(0, 4), pixel_numbers(active))


def test_invalid_arguments_are_refused() -> None:
    logits = np.zeros((4, 6, 16), np.float32)
    mask = native.PixelMask(4, 4)
    mask.grow(logits, 0, 2, 0.0)
    for end in (1, 5):
        with pytest.raises(ValueError, match="'r1' must be 2 to 4"):
            mask.grow(logits, 0, end, 0.0)
    with pytest.raises(ValueError, match="holds rows"):
        mask.grow(logits, 3, 4, 0.0)
    with pytest.raises(ValueError, match="must have width"):
        mask.grow(np.zeros((4, 7, 16), np.float32), 0, 4, 0.0)
    with pytest.raises(ValueError, match="2 rows so far"):
        mask.active(0, 3)
    with pytest.raises(ValueError, match="not a range"):
        mask.border(-1, 2)
    with pytest.raises(ValueError, match="2 rows so far and 4 columns"):
        mask.image(3, 4)
    weights = native.UpsampledMaskWeights(np.zeros((16, 2, 3, 3), np.float32), None)
    with pytest.raises(ValueError, match="twice the width"):
        mask.grow_upsampled(weights, np.zeros((4, 5, 16), np.float32), 0, 2, 4, 0.0)
    with pytest.raises(ValueError, match="2 \\* x_height"):
        mask.grow_upsampled(weights, np.zeros((4, 4, 16), np.float32), 0, 3, 4, 0.0)
    with pytest.raises(ValueError, match="holds rows"):
        mask.grow_upsampled(weights, np.zeros((1, 4, 16), np.float32), 0, 2, 4, 0.0)
    with pytest.raises(ValueError, match="channels"):
        narrow = native.UpsampledMaskWeights(np.zeros((17, 2, 3, 3), np.float32), None)
        mask.grow_upsampled(narrow, np.zeros((4, 4, 16), np.float32), 0, 2, 4, 0.0)
    with pytest.raises(ValueError, match="shape"):
        native.UpsampledMaskWeights(np.zeros((16, 3, 3, 3), np.float32), None)
    with pytest.raises(ValueError, match="two values"):
        native.UpsampledMaskWeights(np.zeros((16, 2, 3, 3), np.float32), np.zeros(3, np.float32))
    for size in ((0, 3), (3, 0), (2**20, 2**20)):
        with pytest.raises(ValueError):
            native.PixelMask(*size)
