"""Masks: lists of active, inactive and border pixels."""

from __future__ import annotations

import numpy as np
import pytest
from native_cases import border_of, make_window, mask_of, masks, pixel_numbers

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
        some = pixel_numbers(expected & (np.arange(h) // 3 == 1)[:, None])
        assert np.array_equal(mask.active(3, 6), some)


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
    for size in ((0, 3), (3, 0), (2**20, 2**20)):
        with pytest.raises(ValueError):
            native.PixelMask(*size)
