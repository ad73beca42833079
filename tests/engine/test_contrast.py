"""Local contrast, compared with its definition, pixel by pixel."""

from __future__ import annotations

import numpy as np

from sparsesr.engine.contrast import contrast_bins
from support.tiny_models import photo


def defined(pixels: np.ndarray, bins: int) -> np.ndarray:
    luma = pixels.astype(np.float64) @ (np.array([65.738, 129.057, 25.064]) / 256)
    rows, columns = luma.shape

    def at(plane, y, x):
        return plane[min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)]

    energy = np.array(
        [
            [
                ((at(luma, y, x + 1) - at(luma, y, x - 1)) / 2) ** 2
                + ((at(luma, y + 1, x) - at(luma, y - 1, x)) / 2) ** 2
                for x in range(columns)
            ]
            for y in range(rows)
        ]
    )
    around = range(-2, 3)
    mean = [
        [np.mean([at(energy, y + i, x + j) for i in around for j in around]) for x in range(columns)]
        for y in range(rows)
    ]
    return np.minimum(np.log1p(mean).astype(int), bins - 1)


def test_bins_are_as_defined():
    pixels = photo(14, 11, seed=2)
    assert (contrast_bins(pixels, 9) == defined(pixels, 9)).mean() > 0.99
    assert contrast_bins(pixels, 3).max() == 2
    assert not contrast_bins(np.full((5, 7, 3), 90, np.uint8), 9).any()


def test_types_of_pixels_do_not_matter():
    pixels = photo(20, 30)
    expected = contrast_bins(pixels, 9)
    wide = (pixels.astype(np.uint16) * 257, (pixels / 255).astype(np.float32))
    for same in wide:
        assert (contrast_bins(same, 9) == expected).mean() > 0.99
