"""Prices of efforts: the slopes of the smallest concave curve above what was measured."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sparsesr.engine.effort_prices import effort_prices


def test_prices_of_a_concave_curve_are_its_slopes():
    prices = effort_prices([0.0, 0.1, 0.3, 0.7], [5.0, 9.0, 12.0, 13.0])
    assert prices == pytest.approx([40, 15, 2.5])


def test_what_loses_and_what_adds_no_pixels_has_no_price():
    assert effort_prices([0.0, 0.0, 0.5, 1.0], [1.0, 1.5, 2.0, 1.0]).tolist() == [0, 2, 0]


@pytest.mark.parametrize("seed", range(10))
def test_the_curve_is_the_highest_of_all_chords(seed):
    """At every point, the curve equals the highest chord between two points around it."""
    rng = np.random.default_rng(seed)
    density, gain = np.sort(rng.uniform(0, 1, 12)), np.cumsum(rng.normal(1, 2, 12))
    prices = effort_prices(density, gain)
    curve = gain[0] + np.concatenate([[0], np.cumsum(prices * np.diff(density))])
    top = int(gain.argmax())
    for point in range(top + 1):
        chords = [
            gain[a]
            + (gain[b] - gain[a]) * (density[point] - density[a]) / max(density[b] - density[a], 1e-12)
            for a in range(point + 1)
            for b in range(point, top + 1)
        ]
        assert curve[point] == pytest.approx(max(chords))
    assert curve[top:] == pytest.approx(gain[top])
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(prices[prices > 0]))
