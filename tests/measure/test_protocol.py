from __future__ import annotations

import numpy as np
import pytest

from image_sets import write_ppm, write_two_sets
from sparsesr.errors import InputError
from sparsesr.measure.noise import noisy
from sparsesr.measure.protocol import find_sets, load_pair


@pytest.fixture
def data(tmp_path):
    return write_two_sets(tmp_path / "data")


def test_sets_are_found(data):
    assert [found.name for found in find_sets(data, 2)] == ["A", "B"]
    assert [found.name for found in find_sets(data, 2, ["B"])] == ["B"]
    assert [image.name for image in find_sets(data / "B", 2)[0].images] == ["three", "two"]
    assert [image.name for image in find_sets(data / "B" / "HR", 2)[0].images] == ["three", "two"]


def test_missing_sets_are_named(data, tmp_path):
    with pytest.raises(InputError, match="no set C here; there are A, B"):
        find_sets(data, 2, ["C"])
    with pytest.raises(InputError, match="no such folder"):
        find_sets(tmp_path / "nowhere", 2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no images"):
        find_sets(tmp_path / "empty", 2)


@pytest.mark.parametrize(("scale", "lr"), [(2, (22, 26)), (3, (14, 16)), (4, (10, 12))])
def test_crop_to_even(data, scale, lr):
    pair = load_pair(find_sets(data, scale, ["A"])[0].images[0], scale, 2)
    assert pair.lr.shape == (*lr, 3) and pair.hr.shape == (lr[0] * scale, lr[1] * scale, 3)


def test_a_stored_image_is_preferred_and_checked(data):
    folder = data / "A" / "LRx2_std"
    write_ppm(folder / "one.ppm", 23, 26, 7)
    image = find_sets(data, 2, ["A"])[0].images[0]
    assert image.lr == folder / "one.ppm"
    assert load_pair(image, 2, 2).lr.shape == (22, 26, 3)
    write_ppm(folder / "one.ppm", 20, 26, 7)
    with pytest.raises(InputError, match="is 26x20, but HR / 2 is 26x23"):
        load_pair(image, 2, 2)


def test_too_small(data):
    write_ppm(data / "C" / "HR" / "tiny.ppm", 2, 40)
    with pytest.raises(InputError, match="too small"):
        load_pair(find_sets(data, 2, ["C"])[0].images[0], 2, 2)


@pytest.mark.parametrize("sigma", [15, 25, 35, 50])
def test_levels_of_noise(sigma):
    grey = np.full((200, 200, 3), 128, np.uint8)
    result = noisy(grey, sigma, "a")
    assert result.dtype == np.float32
    assert 255 * result.std() == pytest.approx(sigma, rel=0.01)
    np.testing.assert_array_equal(result, noisy(grey, sigma, "a"))
    assert not np.array_equal(result, noisy(grey, sigma, "b"))
