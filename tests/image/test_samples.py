"""Samples are rounded half up, in Python as in the kernels."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.random_graphs import only_bicubic
from sparsesr.image.samples import quantised, to_eight_bit
from sparsesr.runtime.session import Session


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_are_clipped_and_rounded_half_up(dtype):
    peak = np.iinfo(dtype).max
    levels = np.array([-1.0, 0.0, 0.49 / peak, 0.5 / peak, 1.5 / peak, 2.5 / peak, 1.0, 2.0])
    assert quantised(levels, dtype).tolist() == [0, 0, 0, 1, 2, 3, peak, peak]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_kernels_round_the_same_way(dtype):
    image = np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)
    session = Session(only_bicubic(), threads=1)
    levels = session.run(image).image
    np.testing.assert_array_equal(session.run(image, out_dtype=dtype).image, quantised(levels, dtype))


def test_sixteen_bits_are_rounded_to_eight():
    assert to_eight_bit(np.array([0, 128, 129, 65535], np.uint16)).tolist() == [0, 0, 1, 255]
