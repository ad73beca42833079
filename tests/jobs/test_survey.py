"""Forecasts of files that nobody has looked at."""

from __future__ import annotations

import numpy as np
import pytest

from sparsesr.engine.forecast import Forecast
from sparsesr.jobs.survey import resized, typical

SMALL = Forecast(100, np.float64([0, 10]), np.float64([0, 0.9]), 1e3, 4e3)
LARGE = Forecast(300, np.float64([0, 70]), np.float64([0, 0.5]), 3e3, 8e3)


def test_a_typical_file_is_the_mean():
    mean = typical([SMALL, LARGE])
    assert (mean.output_px, mean.inactive_macs, mean.dense_macs) == (200, 2e3, 6e3)
    assert mean.gains.tolist() == [0, 40] and mean.densities.tolist() == [0, pytest.approx(0.6)]


def test_a_file_of_known_size_is_like_as_many_pixels_of_the_others():
    large = resized(typical([SMALL, LARGE]), 800)
    assert (large.output_px, large.inactive_macs, large.dense_macs) == (800, 8e3, 24e3)
    assert large.gains.tolist() == [0, 160] and large.densities.tolist() == [0, pytest.approx(0.6)]
    assert resized(large, None) is large
