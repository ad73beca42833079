"""Default models depend on how strongly a JPEG was compressed, and share memory."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import UsageError
from sparsesr.modelfile.catalogue import list_models
from support.tiny_models import photo, tiny

LIMIT = next(entry for entry in list_models() if entry.name == "photo_x2").jpeg_quality_up_to


@pytest.fixture
def upscaler() -> Upscaler:
    return Upscaler(threads=1)


def test_strongly_compressed_images_get_the_model_for_them(upscaler):
    image = photo(20, 30)
    done = upscaler.for_jpeg(LIMIT)(image)
    assert [each.model for each in done.passes] == ["photo_x2"]
    np.testing.assert_array_equal(done.image, Upscaler("photo_x2", threads=1)(image).image)
    for quality in (LIMIT + 1, 100, None):
        assert upscaler.for_jpeg(quality).network is upscaler.network


def test_a_named_model_is_for_all_images():
    for model in ("skim_fast_x2", tiny()):
        upscaler = Upscaler(model, threads=1)
        assert upscaler.for_jpeg(50) is upscaler
        assert not upscaler.settings["is_default"]
    assert Upscaler(threads=1).settings["is_default"]


@pytest.mark.parametrize(
    ("size", "names"),
    [
        ({"scale": 1.5}, ["photo_x2"]),
        ({"width": 25}, ["photo_x2"]),
        ({"scale": 3}, ["photo_x3"]),
        ({"scale": 4}, ["photo_x4"]),
        ({"scale": 6}, ["photo_x2", "skim_best_x3"]),
        ({"width": 60}, ["photo_x3"]),
    ],
    ids=str,
)
def test_other_sizes_take_it_where_they_take_its_scale(size, names):
    upscaler = Upscaler(threads=1, **size).for_jpeg(50)
    assert [each.model for each in upscaler(photo(20, 20)).passes] == names


def test_networks_for_other_images_give_up_their_buffers(upscaler):
    image, compressed = photo(40, 60), upscaler.for_jpeg(50)
    upscaler(image)
    kept = upscaler.idle_bytes
    compressed(image)
    assert upscaler.network.session.idle_bytes == 0 < compressed.network.session.idle_bytes
    upscaler(image)
    assert upscaler.idle_bytes == compressed.idle_bytes == kept
    compressed.release_buffers()
    assert upscaler.idle_bytes == 0


def test_both_wait_for_the_same_memory(upscaler):
    compressed, image = upscaler.for_jpeg(50), photo(40, 60)
    assert (compressed.budget, compressed.memory) == (upscaler.budget, upscaler.memory)
    route = compressed.planned_route(image)
    assert route.peak_bytes > upscaler.planned_route(image).peak_bytes
    with compressed.reserved(route):
        assert 0 < route.peak_bytes - upscaler.budget.reserved_bytes < upscaler.memory
    assert upscaler.budget.reserved_bytes == 0


def test_networks_are_loaded_once(upscaler):
    assert upscaler.for_jpeg(50).network is upscaler.for_jpeg(LIMIT).network
    assert upscaler.for_jpeg(50).for_jpeg(None).network is upscaler.network


def test_the_copy_in_another_process_is_for_the_same_images(upscaler):
    for quality, name in ((50, "photo_x2"), (None, "skim_fast_x2")):
        assert pickle.loads(pickle.dumps(upscaler.for_jpeg(quality))).network.name == name  # noqa: S301


def test_a_quality_is_a_whole_number(upscaler):
    with pytest.raises(UsageError, match=r"quality: must be a whole number, not 50\.5"):
        upscaler.for_jpeg(50.5)
