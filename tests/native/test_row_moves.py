"""Rows of a window that move to its start: whole ones, and the reached pixels of a mask."""

from __future__ import annotations

import numpy as np
import pytest
from native_cases import mask_of, masks
from numpy.typing import DTypeLike
from test_reached_pixels import grown

from sparsesr import _native as native


def make_rows(rows: int, width: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """A window whose values are all different, as far as the type has so many."""
    return np.arange(rows * (width + 2) * 3).reshape(rows, width + 2, 3).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.uint8])
@pytest.mark.parametrize(("shift", "rows"), [(0, 4), (1, 9), (3, 4), (5, 5), (9, 0)])
@pytest.mark.parametrize("threads", [1, 3])
def test_whole_rows(dtype: DTypeLike, shift: int, rows: int, threads: int) -> None:
    window = make_rows(10, 7, dtype)
    expected = window.copy()
    expected[:rows] = window[shift : shift + rows].copy()
    native.move_rows(window, shift, rows, threads=threads)
    np.testing.assert_array_equal(window, expected)


@pytest.mark.parametrize("width", [1, 63, 64, 65, 150])
@pytest.mark.parametrize(("shift", "rows", "row0"), [(6, 4, 0), (2, 8, 3)])
@pytest.mark.parametrize("threads", [1, 3])
def test_reached_pixels(
    rng: np.random.Generator, width: int, shift: int, rows: int, row0: int, threads: int
) -> None:
    """Others keep what was there, as do the pixels beside the image."""
    for active in masks(rng, row0 + rows, width):
        for reach in (0, 2):
            window = make_rows(10, width)
            expected = window.copy()
            inside = np.zeros((rows, width + 2), bool)
            inside[:, 1:-1] = grown(active, reach)[row0:]
            for row in range(rows):
                expected[row][inside[row]] = expected[row + shift][inside[row]]
            native.move_rows(window, shift, rows, row0, (mask_of(active), reach), threads)
            np.testing.assert_array_equal(window, expected)


def test_rows_whose_pixels_are_not_known_yet_are_moved_whole() -> None:
    """The mask of six rows has four so far: two of them are known with their neighbours above and below."""
    logits = np.zeros((6, 9, 4), np.float32)
    mask = native.PixelMask(6, 7)
    mask.grow(logits, 0, 4, 0.0)
    window = make_rows(8, 7)
    expected = window.copy()
    expected[1:4] = window[5:8].copy()
    native.move_rows(window, 4, 4, 2, (mask, 1))
    np.testing.assert_array_equal(window, expected)


def test_what_does_not_fit_is_refused() -> None:
    mask = mask_of(np.ones((4, 7), bool))
    window = make_rows(8, 7)
    with pytest.raises(ValueError, match="does not have these rows"):
        native.move_rows(window, 4, 5)
    with pytest.raises(ValueError, match="mask does not have these rows"):
        native.move_rows(window, 4, 4, 1, (mask, 1))
    with pytest.raises(ValueError, match="width of the map"):
        native.move_rows(make_rows(8, 6), 4, 4, 0, (mask, 1))
    with pytest.raises(ValueError, match="reach must be"):
        native.move_rows(window, 4, 4, 0, (mask, 9))
