"""Frames of which only changed parts are computed equal frames that are computed whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import needs_bf16
from sparsesr.engine import parts as parts_module
from sparsesr.engine import sequence as sequence_module
from sparsesr.engine.changes import boxes_of, changed_pixels, settled, tiles_of
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.sequence import FrameSequence
from sparsesr.engine.upscaler import Upscaler
from sparsesr.runtime.session import Session
from support.tiny_models import photo, tiny

SIZE = 150, 222


def sequence(upscaler: Upscaler, size=SIZE, dtype="uint8", **more) -> FrameSequence:
    return FrameSequence(upscaler, size, np.dtype(dtype), RunOptions(), **more)


def with_square(frame: np.ndarray, top: int, left: int, side: int, seed: int = 1) -> np.ndarray:
    part = frame[top : top + side, left : left + side]
    changed = frame.copy()
    changed[top : top + side, left : left + side] = photo(*part.shape[:2], frame.dtype.name, seed=seed)
    return changed


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16), "int8"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_changed_parts_of_the_bundled_network_give_the_bits_of_whole_frames(precision, dtype):
    upscaler = Upscaler("skim_fast_x2", threads=2, precision=precision)
    frames = sequence(upscaler, dtype=dtype)
    whole = Session(upscaler.model, 1, upscaler.network.session.precision)
    frame = photo(*SIZE, dtype)
    shares = []
    for top, left, side in ((0, 0, 0), (60, 100, 9), (0, 0, 17), (141, 200, 30), (5, 215, 1)):
        frame = with_square(frame, top, left, side, seed=top)
        done = frames.enlarged(frame)
        np.testing.assert_array_equal(done.image, whole.run(frame).image)
        shares.append(done.computed_px / (SIZE[0] * SIZE[1]))
    assert shares[0] == 1 and all(0 < share < 0.9 for share in shares[1:]), "parts were computed"


def test_the_result_changes_only_where_it_is_said_to():
    upscaler = Upscaler("skim_fast_x2", threads=2, precision="fp32")
    frames = sequence(upscaler)
    first = photo(*SIZE)
    before = frames.enlarged(first).image.copy()
    done = frames.enlarged(with_square(first, 70, 30, 20))
    told = np.zeros(before.shape[:2], bool)
    for box in done.changed:
        told[2 * box.top : 2 * box.bottom, 2 * box.left : 2 * box.right] = True
    different = (before != done.image).any(axis=2)
    assert different.any() and not (different & ~told).any()


def test_an_identical_frame_costs_nothing():
    frames = sequence(Upscaler("skim_fast_x2", threads=1, precision="fp32"))
    first = frames.enlarged(photo(*SIZE)).image.copy()
    again = frames.enlarged(photo(*SIZE))
    assert (again.changed, again.computed_px) == ((), 0)
    np.testing.assert_array_equal(again.image, first)


def test_without_reuse_identical_frames_are_computed_too():
    frames = sequence(Upscaler(tiny(), threads=1), tolerance=None)
    assert [frames.enlarged(photo(*SIZE)).computed_px for _ in range(2)] == [SIZE[0] * SIZE[1]] * 2


def test_a_new_scene_is_computed_whole():
    upscaler = Upscaler("skim_fast_x2", threads=2, precision="fp32")
    frames = sequence(upscaler)
    frames.enlarged(photo(*SIZE))
    other = photo(*SIZE, seed=5)[::-1].copy()
    done = frames.enlarged(other)
    assert done.computed_px == SIZE[0] * SIZE[1]
    np.testing.assert_array_equal(done.image, upscaler(other).image)


def test_with_a_tolerance_the_result_is_exact_for_an_input_within_it():
    """A frame that fades slowly: kept inputs never differ by more than the tolerance from the frame."""
    upscaler = Upscaler("skim_fast_x2", threads=2, precision="fp32")
    frames, tolerance = sequence(upscaler, tolerance=2 / 255), 2
    start, kept = photo(*SIZE), photo(*SIZE)
    ramp = np.linspace(0, 1.5, SIZE[1])[None, :, None]
    computed = []
    for step in range(5):
        frame = (np.clip(start, 0, 240) + step * ramp).astype(np.uint8)
        computed.append(frames.enlarged(frame).computed_px)
        changed = np.abs(frame.astype(int) - kept).max(axis=2) > tolerance
        is_whole = step == 0 or changed.mean() > parts_module._LARGEST_CHANGE
        kept[changed | is_whole] = frame[changed | is_whole]
        assert np.abs(kept.astype(int) - frame).max() <= tolerance
    np.testing.assert_array_equal(frames.enlarged(frame).image, upscaler(kept).image)
    assert 0 in computed, "small changes are kept at first"


def test_attention_of_the_scene_is_kept_and_the_deviation_measured():
    upscaler = Upscaler(tiny(), threads=1)
    assert upscaler.network.has_attention
    frames, frame = sequence(upscaler), photo(*SIZE)
    deviations = []
    for step in range(9):
        frame = with_square(frame, 40, 8 * step, 24, seed=step)
        done = frames.enlarged(frame)
        exact = upscaler(frame).image.astype(int)
        deviations.append(np.abs(done.image - exact).max())
    assert deviations[0] == deviations[1] == 0, "the first frame is whole, and the second is measured"
    assert max(deviations) <= 1 and frames.deviation is not None and frames.deviation.max_levels <= 1


@pytest.mark.parametrize("size", [{"scale": 3}, {"width": 333}, {"scale": 1.5}])
def test_sizes_that_take_more_than_one_network_reuse_identical_frames_only(size):
    upscaler = Upscaler(tiny(), threads=1, **size)
    frames, frame = sequence(upscaler), photo(*SIZE)
    frames.enlarged(frame)
    assert frames.enlarged(frame).computed_px == 0
    changed = with_square(frame, 10, 10, 4)
    np.testing.assert_array_equal(frames.enlarged(changed).image, upscaler(changed).image)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_tiles_cover_all_that_depends_on_changed_blocks(data):
    height, width = data.draw(st.integers(1, 120)), data.draw(st.integers(1, 120))
    halo, multiple = data.draw(st.integers(0, 20)), data.draw(st.sampled_from([1, 2, 4]))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    before = np.zeros((height, width, 3), np.uint8)
    after = before.copy()
    for _ in range(data.draw(st.integers(0, 4))):
        after[rng.integers(height), rng.integers(width), rng.integers(3)] = 9
    tiles = tiles_of(changed_pixels(before, after), (height, width), halo, multiple)
    covered = np.zeros((height, width), bool)
    for tile in tiles:
        core, window = tile.core, tile.window
        covered[core.top : core.bottom, core.left : core.right] = True
        assert window.top % multiple == window.left % multiple == 0
        assert window.top <= max(0, core.top - halo) and window.bottom >= min(height, core.bottom + halo)
        assert window.left <= max(0, core.left - halo) and window.right >= min(width, core.right + halo)
    for row, column in zip(*np.nonzero(after.any(axis=2)), strict=True):
        near = slice(max(0, row - halo), row + halo + 1), slice(max(0, column - halo), column + halo + 1)
        assert covered[near].all()
    assert bool(tiles) == bool(after.any())


def test_changed_and_settled_pixels():
    before = np.full((40, 50, 3), 100, np.uint16)
    after = before.copy()
    after[17, 33, 2] = 103 + 2 * 257
    after[0, 0, 0] = 101
    assert np.argwhere(changed_pixels(before, after)).tolist() == [[0, 0], [17, 33]]
    coarse = changed_pixels(before, after, 2 / 255)
    assert np.argwhere(coarse).tolist() == [[17, 33]]
    kept = settled(before, after, coarse)
    assert kept[0, 0, 0] == 100 and kept[17, 33, 2] == after[17, 33, 2]


@settings(max_examples=50, deadline=None)
@given(
    height=st.integers(1, 200), width=st.integers(1, 300), count=st.integers(0, 6), seed=st.integers(0, 10**6)
)
def test_boxes_hold_all_flags(height, width, count, seed):
    rng = np.random.default_rng(seed)
    flags, held = np.zeros((height, width), bool), np.zeros((height, width), bool)
    for _ in range(count):
        flags[rng.integers(height), rng.integers(width)] = True
    for box in boxes_of(flags):
        assert flags[box.slices].any() and not held[box.slices].any()
        held[box.slices] = True
    assert not (flags & ~held).any()


def test_an_implausible_part_is_computed_whole(monkeypatch):
    upscaler = Upscaler("skim_fast_x2", threads=1, precision="fp32")
    frames, frame = sequence(upscaler), photo(*SIZE)
    frames.enlarged(frame)
    monkeypatch.setattr(parts_module, "suspicious_shift", lambda *_: "something")
    changed = with_square(frame, 40, 60, 12)
    done = frames.enlarged(changed)
    assert done.computed_px == SIZE[0] * SIZE[1]
    np.testing.assert_array_equal(done.image, upscaler(changed).image)


def test_attention_that_changes_too_much_makes_frames_whole(monkeypatch):
    upscaler = Upscaler(tiny(), threads=1)
    monkeypatch.setattr(sequence_module, "_NOTICEABLE_LEVELS", -1.0)
    frames, frame = sequence(upscaler), photo(*SIZE)
    shares, notes = [], []
    for step in range(4):
        frame = with_square(frame, 40, 8 * step, 24, seed=step)
        done = frames.enlarged(frame)
        np.testing.assert_array_equal(done.image, upscaler(frame).image)
        shares.append(done.computed_px / (SIZE[0] * SIZE[1]))
        notes += done.notes
    assert shares[0] == shares[2] == shares[3] == 1 < shares[1], "one was computed twice"
    assert len(notes) == 1 and "computed whole" in notes[0] and frames.deviation is None
