from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsesr.engine.output_size import MAX_SCALE, OutputSize, enlarged_size, passes_for
from sparsesr.errors import InputError, UsageError


def size(rows: int, columns: int, **wanted) -> tuple[int, int]:
    return enlarged_size(rows, columns, OutputSize(**wanted).factors(rows, columns))


@pytest.mark.parametrize(
    ("wanted", "expected", "label"),
    [
        ({"scale": 2}, (200, 300), "x2"),
        ({"scale": 1.5}, (150, 225), "x1.5"),
        ({"scale": 1.1}, (110, 165), "x1.1"),
        ({"scale": 1}, (100, 150), "x1"),
        ({"width": 400}, (267, 400), "w400"),
        ({"height": 201}, (201, 302), "h201"),
        ({"width": 400, "height": 201}, (201, 400), "400x201"),
        ({"fit": (1920, 1080)}, (1080, 1620), "fit1920x1080"),
        ({"fit": (301, 1080)}, (201, 301), "fit301x1080"),
        ({}, (0, 0), ""),
    ],
)
def test_sizes(wanted, expected, label):
    """Of an image of 150 x 100; fractions of pixels are rounded up."""
    assert size(100, 150, **wanted) == expected
    assert OutputSize(**wanted).label == label


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"scale": np.float32(1.5)}, (150, 225)),
        ({"scale": Fraction(3, 2)}, (150, 225)),
        ({"width": np.uint8(200), "height": np.uint16(60_000)}, (60_000, 200)),
        ({"fit": np.array([300, 300], np.uint16)}, (200, 300)),
    ],
)
def test_numbers_of_other_types(wanted, expected):
    assert size(100, 150, **wanted) == expected
    assert OutputSize(**wanted).label in ("x1.5", "200x60000", "fit300x300")


@pytest.mark.parametrize(
    ("wanted", "parameter"),
    [
        ({"width": 200_000, "height": 3}, "width"),
        ({"width": 3, "height": 200_000}, "height"),
        ({"height": 200_000}, "height"),
        ({"fit": (200_000, 200_000)}, "fit"),
        ({"scale": 64}, "scale"),
    ],
)
def test_what_is_out_of_reach_is_named(wanted, parameter):
    asked = OutputSize(**wanted)
    factors = asked.factors(2, 3)
    assert asked.parameter_of(factors) == parameter
    with pytest.raises(UsageError, match=f"^{parameter}: an .* out of reach; choose a smaller {parameter}$"):
        passes_for(Fraction(200_000, 3), (2, 3, 4), parameter)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 9000), st.integers(1, 9000))
def test_a_result_fits_into_its_box_and_touches_it(height, width, box_width, box_height):
    if width > box_width or height > box_height:
        return
    rows, columns = size(height, width, fit=(box_width, box_height))
    assert rows <= box_height and columns <= box_width
    assert rows == box_height or columns == box_width


@pytest.mark.parametrize(
    ("factor", "scales", "expected"),
    [
        (Fraction(3, 2), (2, 3, 4), (2,)),
        (Fraction(2), (2, 3, 4), (2,)),
        (Fraction(5, 2), (2, 3, 4), (3,)),
        (Fraction(4), (2, 3, 4), (4,)),
        (Fraction(5), (2, 3, 4), (2, 3)),
        (Fraction(7), (2, 3, 4), (2, 4)),
        (Fraction(8), (2, 3, 4), (2, 4)),
        (Fraction(9), (2, 3, 4), (3, 3)),
        (Fraction(17), (2, 3, 4), (2, 3, 3)),
        (Fraction(3), (2,), (2, 2)),
        (Fraction(64), (2,), (2,) * 6),
        (Fraction(1), (3, 4), (3,)),
    ],
)
def test_networks_for_a_factor(factor, scales, expected):
    assert passes_for(factor, scales) == expected


@given(st.fractions(1, MAX_SCALE), st.sets(st.integers(2, 4), min_size=1))
def test_networks_are_enough_and_no_fewer_would_be(factor, scales):
    chosen = passes_for(factor, sorted(scales))
    assert math.prod(chosen) >= factor
    assert max(scales) ** (len(chosen) - 1) < factor or len(chosen) == 1
    assert list(chosen) == sorted(chosen)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"scale": "2"}, "scale: must be a number, not '2'"),
        ({"scale": True}, "must be a number, not True"),
        ({"scale": 0.5}, "must be 1 to 64, not 0.5"),
        ({"scale": 65}, "must be 1 to 64, not 65"),
        ({"scale": math.nan}, "must be 1 to 64"),
        ({"width": 0}, "width: must be 1 to 1000000 pixels, not 0"),
        ({"height": 1.5}, "height: must be a whole number, not 1.5"),
        ({"fit": (10, -1)}, "fit: must be 1 to 1000000 pixels, not -1"),
        ({"scale": 2, "width": 10}, "width: the size is given twice; leave out scale or width"),
        ({"fit": (10, 10), "height": 10}, "the size is given twice"),
        ({"scale": Fraction(1, 2)}, "scale: must be 1 to 64, not 1/2"),
        ({"fit": 100}, "fit: must be a width and a height, not 100"),
        ({"fit": (100,)}, "fit: must be a width and a height, not (100,)"),
        ({"fit": (None, 100)}, "fit: must be a width and a height, not (None, 100)"),
        ({"fit": (1, 2, 3)}, "fit: must be a width and a height, not (1, 2, 3)"),
    ],
)
def test_wrong_values(wanted, message):
    with pytest.raises(UsageError) as caught:
        OutputSize(**wanted)
    assert message in str(caught.value)


@pytest.mark.parametrize("wanted", [{"width": 149}, {"height": 99}, {"fit": (500, 99)}, {"fit": (149, 500)}])
def test_images_are_not_shrunk(wanted):
    with pytest.raises(InputError, match="has 150x100 px already"):
        OutputSize(**wanted).factors(100, 150)


def test_one_side_may_shrink():
    assert size(100, 150, width=100, height=300) == (300, 100)
