"""Crops: split as ESRT's authors do, upscaled independently, and reported in the result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.random_graphs import tokens
from sparsesr.engine import chop as chopping
from sparsesr.engine.chop import CHOP_PX, chop
from sparsesr.engine.estimate import planned_macs
from sparsesr.engine.plan import PROCESS_BYTES, Box, MemoryNeeds, Mode, Plan, Tile
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import LimitError, UsageError
from support.tiny_models import photo, tiny


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(800, 5000), st.integers(0, 12))
def test_cores_partition_the_image_and_lie_in_their_windows(height, width, most_px, shave_px):
    covered = np.zeros((height, width), int)
    for tile in chop(height, width, most_px, shave_px):
        core, window = tile.core, tile.window
        covered[core.top : core.bottom, core.left : core.right] += 1
        assert window.top <= core.top < core.bottom <= window.bottom
        assert window.left <= core.left < core.right <= window.right
        assert window.top >= 0 and window.bottom <= height and window.left >= 0 and window.right <= width
    assert (covered == 1).all()


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 12))
def test_splitting_ends_even_for_tiny_parts(height, width, shave_px):
    tiles = chop(height, width, 1, shave_px)
    assert sum(tile.core.area for tile in tiles) == height * width


def test_small_images_become_overlapping_quarters():
    assert chop(101, 80, shave_px=10) == (
        Tile(Box(0, 0, 50, 40), Box(0, 0, 60, 50)),
        Tile(Box(0, 40, 50, 80), Box(0, 30, 60, 80)),
        Tile(Box(50, 0, 101, 40), Box(41, 0, 101, 50)),
        Tile(Box(50, 40, 101, 80), Box(41, 30, 101, 80)),
    )


def test_full_hd_becomes_64_crops_below_the_limit():
    tiles = chop(1080, 1920)
    assert len(tiles) == 64
    assert all(tile.window.area < CHOP_PX for tile in tiles)


@pytest.fixture
def small_crops(monkeypatch):
    """Images of 300 pixels or more count as large."""
    cut = chopping.chop
    monkeypatch.setattr(chopping, "CHOP_PX", 300)
    monkeypatch.setattr(chopping, "chop", lambda height, width: cut(height, width, 300, 3))
    monkeypatch.setattr("sparsesr.engine.execute.suspicious_shift", lambda *_: None)  # the weights are random


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_crops_are_upscaled_independently(small_crops, dtype):
    image = photo(29, 34, dtype)
    upscaler = Upscaler(tokens(), threads=1)
    result = upscaler(image)
    assert result.plan.mode is Mode.CHOPPED and result.deviation is None
    assert result.notes[0].startswith(f"chopped: {len(result.plan.tiles)} overlapping crops")
    for tile in result.plan.tiles:
        core, window = tile.core, tile.window
        alone = upscaler.network.session.run(
            np.ascontiguousarray(image[window.top : window.bottom, window.left : window.right])
        ).image
        top, left = 2 * (core.top - window.top), 2 * (core.left - window.left)
        expected = alone[top : top + 2 * core.height, left : left + 2 * core.width]
        got = result.image[2 * core.top : 2 * core.bottom, 2 * core.left : 2 * core.right]
        np.testing.assert_array_equal(got, expected)


def test_the_choice_of_mode(small_crops):
    large, small, attention = photo(20, 20), photo(10, 10), tokens()

    def mode(model, image, **settings):
        return Upscaler(model, threads=1, **settings).plan(image).mode

    assert mode(attention, large) is Mode.CHOPPED and mode(attention, small) is Mode.WHOLE
    assert mode(attention, large, inference="whole") is Mode.WHOLE
    assert mode(attention, small, inference="chopped") is Mode.CHOPPED
    assert mode(tiny(), large) is Mode.WHOLE and mode(tiny(), large, inference="chopped") is Mode.CHOPPED
    with pytest.raises(UsageError, match="auto, whole or chopped"):
        Upscaler(attention, inference="half")


def test_attention_across_pixels_is_never_tiled(small_crops):
    upscaler = Upscaler(tokens(), threads=1, inference="whole", memory=PROCESS_BYTES + 50_000)
    with pytest.raises(LimitError, match="needs at least"):
        upscaler.plan(photo(40, 40))
    upscaler = Upscaler(tokens(), threads=1, memory=PROCESS_BYTES + 50_000)
    with pytest.raises(LimitError, match="needs at least"):
        upscaler.plan(photo(40, 40))


def test_planned_work_counts_pairs_and_overlaps():
    network, needs = Upscaler(tokens(), threads=1).network, MemoryNeeds(40, 40, 0, 0)
    whole = planned_macs(network, Plan(Mode.WHOLE, 0, needs))
    crops = planned_macs(network, Plan(Mode.CHOPPED, 0, needs, chop(40, 40, shave_px=0)))
    pairs = [2 * 9 * 4 * (side * side // 4) ** 2 for side in (40, 20)]
    low = [2 * 10 * 3 * (side * side // 12) ** 2 + 2 * 10 * (side * side // 4 % 3) ** 2 for side in (40, 20)]
    assert whole - pairs[0] - low[0] == crops - 4 * (pairs[1] + low[1])
    doubled = planned_macs(network, Plan(Mode.TILES, 0, needs, chop(40, 40, shave_px=0)))
    assert doubled == 2 * crops
