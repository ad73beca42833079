"""Small parts: items made ahead, decoding times, pixel formats, names of results."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsesr.errors import CancelledError, InputError
from sparsesr.video.ahead import Ahead
from sparsesr.video.clip import inspect
from sparsesr.video.containers import checked_output
from sparsesr.video.copied import check_copies, plan_copies
from sparsesr.video.muxing import decoding_times
from sparsesr.video.pixel_formats import planes_of, sample_form
from video.made_clips import Made


def counted(log: list[int], stop: int = 100) -> Generator[int, None, None]:
    try:
        for number in range(stop):
            log.append(number)
            yield number
    finally:
        log.append(-1)


def test_items_come_in_order_and_not_too_far_ahead():
    log: list[int] = []
    with Ahead(counted(log), 2) as items:
        for number in items:
            assert max(log) <= number + 4
        assert log == [*range(100), -1]


def test_leaving_early_stops_the_thread_and_closes_the_generator():
    log: list[int] = []
    before = threading.active_count()
    with Ahead(counted(log), 2) as items:
        assert next(iter(items)) == 0
    assert threading.active_count() == before and log[-1] == -1 and len(log) < 10


def test_an_error_is_raised_where_items_are_consumed():
    def failing() -> Generator[int, None, None]:
        yield 1
        raise InputError("broken")

    seen = []
    with pytest.raises(InputError, match="broken"), Ahead(failing(), 3) as items:
        for number in items:
            seen.append(number)
    assert seen == [1]


def test_work_overlaps():
    def slow() -> Generator[int, None, None]:
        for number in range(5):
            time.sleep(0.05)
            yield number

    start = time.monotonic()
    with Ahead(slow(), 2) as items:
        for _ in items:
            time.sleep(0.05)
    assert time.monotonic() - start < 0.45  # 0.5 s one after the other


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True), st.randoms())
def test_decoding_times_increase_and_none_is_late(shown, random):
    """Orders as encoders make them: each picture at most a few places from its place in time."""
    pts = sorted(shown)
    for index in range(0, len(pts) - 3, 4):
        part = pts[index : index + 4]
        random.shuffle(part)
        pts[index : index + 4] = part
    times = decoding_times(pts)
    assert times == sorted(set(times)) and len(times) == len(pts)
    assert all(decoded <= each for decoded, each in zip(times, pts, strict=True))


@pytest.mark.parametrize("name", ["nv12", "nv21", "nv16", "nv24", "p010le", "yuyv422", "uyvy422", "yvyu422"])
def test_packed_formats_are_read_without_loss(name):
    """Repacked by hand from random planes."""
    rng = np.random.default_rng(0)
    form = sample_form(av.VideoFormat(name), "x")
    height, width, wide = 16, 32, form.bits > 8
    rows, columns = height >> form.halvings[0], width >> form.halvings[1]
    high = 1 << form.bits
    y, u, v = (
        rng.integers(0, high, size).astype(form.dtype) for size in ((height, width), *[(rows, columns)] * 2)
    )
    frame = av.VideoFrame(width, height, name)
    if name.startswith(("nv", "p0")):
        pair = (v, u) if name == "nv21" else (u, v)
        packed = [y, np.stack(pair, -1).reshape(rows, 2 * columns)]
        packed = [plane << (16 - form.bits) for plane in packed] if wide else packed
    else:
        order = {"yuyv422": (0, 1, 0, 2), "uyvy422": (1, 0, 2, 0), "yvyu422": (0, 2, 0, 1)}[name]
        lumas = iter((y[:, 0::2], y[:, 1::2]))
        parts = [next(lumas) if kind == 0 else (u, v)[kind - 1] for kind in order]
        packed = [np.stack(parts, -1).reshape(height, 2 * width)]
    for plane, samples in zip(frame.planes, packed, strict=True):
        data = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        data[: samples.shape[0], : samples.shape[1] * samples.itemsize] = samples.view(np.uint8).reshape(
            samples.shape[0], -1
        )
    for found, expected in zip(planes_of(frame, form), (y, u, v), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["xyz12le", "bayer_rggb8", "monob", "grayf32le", "ayuv64le", "ya8"])
def test_unusual_formats_are_refused_by_name(name):
    with pytest.raises(InputError, match=name):
        sample_form(av.VideoFormat(name), "x")


@pytest.mark.parametrize(
    ("source", "output", "expected"),
    [
        ("a.mp4", None, "a_x2.mp4"),
        ("a.MOV", None, "a_x2.mov"),
        ("a.avi", None, "a_x2.mkv"),
        ("a.b", None, "a_x2.mkv"),
        ("a.mp4", "b.MKV", "b.MKV"),
    ],
)
def test_names_of_results(tmp_path, source, output, expected):
    given = None if output is None else str(tmp_path / output)
    assert checked_output(tmp_path / source, given, "x2", overwrite=False) == Path(tmp_path / expected)


def test_looking_for_damage_in_a_long_clip_can_be_cancelled(tmp_path):
    clip = inspect(Made(sound=True).write(tmp_path / "in.mp4"))
    copies = plan_copies(clip, ".mp4")
    check_copies(clip, copies, ".mp4")
    with pytest.raises(CancelledError):
        check_copies(clip, copies, ".mp4", lambda: True)
