from __future__ import annotations

import numpy as np
import pytest

from sparsesr.errors import ModelError
from sparsesr.modelfile.balanced import Pattern, detect, pack, unpack

# The worked example of the paper's slides: 16 inputs, 4 blocks, 2 kept in each.
SLIDE = [0.8, 0, 0, 1.5, 1.0, 0, 0, -1.4, 0, 2.0, 0.9, 0, 0, -1.3, 2.1, 0]


def balanced(rng, outputs: int, inputs: int, kernel: int, keep: int, block: int):
    """A random balanced weight, made tap by tap and block by block."""
    weight = np.zeros((outputs, inputs, kernel, kernel), np.float32)
    for o in range(outputs):
        for y in range(kernel):
            for x in range(kernel):
                for first in range(0, inputs, block):
                    kept = first + rng.choice(block, keep, replace=False)
                    weight[o, kept, y, x] = rng.standard_normal(keep)
    return weight


def test_the_slide_is_packed_by_hand():
    values, positions = pack(np.float32(SLIDE).reshape(1, 16, 1, 1), 4, 2)
    np.testing.assert_array_equal(positions, [[[0, 3], [0, 3], [1, 2], [1, 2]]])
    np.testing.assert_array_equal(values, np.float32([[[0.8, 1.5], [1.0, -1.4], [2.0, 0.9], [-1.3, 2.1]]]))


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("keep", "block"), [(1, 1), (1, 8), (4, 16), (7, 16), (16, 16), (8, 32), (3, 48)])
def test_what_is_packed_is_unpacked(kernel, keep, block):
    weight = balanced(np.random.default_rng(1), 5, 2 * block, kernel, keep, block)
    assert detect(weight, block) == keep
    values, positions = pack(weight, block, keep)
    assert values.shape == positions.shape == (5, 2 * kernel**2, keep)
    assert positions.dtype == np.uint8
    np.testing.assert_array_equal(unpack(values, positions, block, kernel), weight)


def test_blocks_follow_rows_columns_and_channels():
    weight = np.zeros((1, 16, 3, 3), np.float32)
    weight[0, 9, 1, 2] = 7  # tap 5, second block of eight channels
    values, positions = pack(weight, 8, 1)
    assert values[0].nonzero()[0].tolist() == [5 * 2 + 1]
    assert positions[0, 11, 0] == 1


def test_blocks_without_weights_keep_zeros():
    values, positions = pack(np.zeros((2, 16, 1, 1), np.float32), 16, 4)
    assert not values.any()
    assert positions.tolist() == [[[0, 1, 2, 3]]] * 2
    assert detect(np.zeros((2, 16, 1, 1)), 16) == 1


def test_float64_stays_float64():
    weight = balanced(np.random.default_rng(2), 2, 16, 1, 4, 16) / np.float64(3)
    assert unpack(*pack(weight, 16, 4), block=16, kernel=1).dtype == np.float64


@pytest.mark.parametrize(("keep", "block"), [(0, 16), (-1, 16), (17, 16), (1, 0), (1, 257)])
def test_impossible_patterns(keep, block):
    with pytest.raises(ModelError, match="a balanced block"):
        Pattern(keep, block)


def test_weights_that_do_not_fit():
    weight = np.ones((1, 24, 1, 1), np.float32)
    with pytest.raises(ModelError, match="blocks of 16 inputs do not divide 24 input channels"):
        pack(weight, 16, 4)
    with pytest.raises(ModelError, match="not balanced 4/8: a block has 8 nonzero"):
        pack(weight, 8, 4)
    weight[0, 3] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        pack(weight, 8, 8)


@pytest.mark.parametrize(
    ("positions", "says"),
    [([0, 16], "position 16"), ([3, 3], "do not increase"), ([5, 2], "do not increase")],
)
def test_positions_that_lie(positions, says):
    with pytest.raises(ModelError, match=says):
        unpack(np.ones((1, 1, 2), np.float32), np.uint8([[positions]]), 16, 1)


def test_shapes_that_disagree():
    with pytest.raises(ModelError, match="shape"):
        unpack(np.ones((1, 9, 2), np.float32), np.zeros((1, 9, 3), np.uint8), 16, 3)
