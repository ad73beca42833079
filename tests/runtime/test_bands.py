"""Bands, threads and reuse of buffers change no bit; memory is as `peak_bytes` says."""

from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import smsr
from runtime.banding import (
    WAYS_TO_RUN,
    check_peak_is_allocated,
    check_peak_without_full_plan,
    check_same_bits,
)
from runtime.random_graphs import one_of_each, random_image
from sparsesr.errors import CancelledError, LimitError
from sparsesr.runtime.plan.execution_plan import make_execution_plan
from sparsesr.runtime.plan.planner import PlanOptions
from sparsesr.runtime.session import Session

MODELS = [
    smsr(16, modules=3, layers=2, seed=1),
    smsr(8, modules=5, layers=3, scale=3, seed=2),
    *one_of_each().values(),
]
SESSIONS = [Session(model, threads=1) for model in MODELS]
PARALLEL = [Session(model, threads=2) for model in MODELS]


@settings(max_examples=150, deadline=None)
@given(index=st.integers(0, len(MODELS) - 1), **WAYS_TO_RUN)
def test_bands_and_threads_change_no_bit(index, **way):
    check_same_bits(SESSIONS[index], PARALLEL[index], **way)


def test_reused_buffers_leave_no_trace_of_another_image():
    session = Session(MODELS[0])
    first, second = random_image(30, 20, seed=1), random_image(30, 20, seed=2)
    expected = session.run(second).image
    session.run(first * 100, band_rows=3)
    session.run(first * 100)
    np.testing.assert_array_equal(session.run(second).image, expected)


def test_buffers_are_reused():
    session, image = Session(MODELS[0], threads=1), random_image(200, 150, np.uint8)
    session.run(image)
    tracemalloc.start()
    session.run(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.2 * session.peak_bytes(200, 150)


def test_threads_share_a_session():
    images = [random_image(20 + i % 3, 22, np.uint8, seed=i) for i in range(12)]
    session = Session(MODELS[0], threads=1)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda image: session.run(image).image, images))
    for image, result in zip(images, results, strict=True):
        np.testing.assert_array_equal(result, SESSIONS[0].run(image).image)


def test_no_run_waits_for_the_plan_of_another_image(monkeypatch):
    session, image = Session(MODELS[0], threads=1), random_image(20, 20)
    session.run(image)
    is_waiting = []

    def make_plan(*options):
        other = threading.Thread(target=session.run, args=(image,), daemon=True)
        other.start()
        other.join(timeout=60)
        is_waiting.append(other.is_alive())
        return make_execution_plan(*options)

    monkeypatch.setattr("sparsesr.runtime.plan.planner.make_execution_plan", make_plan)
    assert session._planner.plan(session._planner.grid(40, 30), PlanOptions()).grid.height == 40
    assert is_waiting == [False]


def test_progress_reaches_the_end():
    calls: list[tuple[int, int]] = []
    SESSIONS[0].run(
        random_image(21, 9), band_rows=5, progress=lambda done, total: calls.append((done, total))
    )
    dones = [done for done, _ in calls]
    assert dones == sorted(set(dones))
    assert calls[-1] == (22 * 4, 22 * 4)
    assert len(calls) == 5 * 4


def test_cancel_at_any_band_and_run_again():
    session, image = Session(MODELS[0]), random_image(20, 20)
    expected = session.run(image, band_rows=4).image
    for limit in (0, 1, 7, 19):
        asked = iter(range(100))
        with pytest.raises(CancelledError, match="cancelled"):
            session.run(image, band_rows=4, cancelled=lambda asked=asked, n=limit: next(asked) >= n)
        np.testing.assert_array_equal(session.run(image, band_rows=4).image, expected)


def test_an_error_in_a_callback_propagates_and_frees_the_buffers():
    session = Session(MODELS[0])

    def fail(done: int, total: int) -> None:
        raise RuntimeError("no display")

    with pytest.raises(RuntimeError, match="no display"):
        session.run(random_image(20, 20), progress=fail)
    session.run(random_image(20, 20))


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("index", range(len(MODELS)))
def test_peak_bytes_is_what_a_run_allocates(index, low_memory):
    check_peak_is_allocated(Session(MODELS[index], threads=1), low_memory)


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("index", range(len(MODELS)))
def test_peak_bytes_of_tall_images_needs_no_full_plan(index, low_memory):
    check_peak_without_full_plan(SESSIONS[index], low_memory)


def test_full_hd_needs_three_maps_in_low_memory_mode():
    session = Session(smsr())
    one_map = 1082 * 1922 * 64 * 4
    assert session.peak_bytes(1080, 1920, low_memory=True) < 3 * one_map + 150e6
    assert session.peak_bytes(1080, 1920) < 4 * one_map + 160e6


def test_an_image_that_is_too_large_is_refused():
    with pytest.raises(LimitError, match="too large"):
        SESSIONS[0].peak_bytes(40_000, 40_000)


def test_parallel_runs_have_buffers_of_their_own():
    session, image = Session(MODELS[0], threads=1), random_image(20, 20)
    barrier = threading.Barrier(2, timeout=60)

    def meet(done: int, total: int) -> None:
        """Both runs compute the same bands at the same time."""
        barrier.wait()

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(session.run, image, progress=meet) for _ in range(2)]
        results = [future.result().image for future in both]
    for result in results:
        np.testing.assert_array_equal(result, SESSIONS[0].run(image).image)
