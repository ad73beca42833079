"""Buffers that a session keeps between runs and those that it frees."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import smsr
from runtime.random_graphs import random_image
from sparsesr.errors import MemoryShortError
from sparsesr.runtime.backend.native.backend import NativeBackend
from sparsesr.runtime.session import Session

MODEL = smsr(16, modules=1, layers=2)


def session_after(*sizes: tuple[int, int], limit: int | None = None) -> Session:
    session = Session(MODEL, threads=1)
    if limit is not None:
        session.keep_buffers(limit)
    for height, width in sizes:
        session.run(random_image(height, width))
    return session


def test_buffers_of_several_sizes_are_kept():
    one, both = session_after((40, 60)), session_after((40, 60), (60, 80))
    assert 0 < one.idle_bytes < both.idle_bytes
    again = session_after((40, 60), (60, 80), (40, 60))
    assert again.idle_bytes == both.idle_bytes


def test_the_oldest_buffers_go_first():
    large, small = session_after((60, 80)).idle_bytes, session_after((40, 60)).idle_bytes
    assert session_after((40, 60), (60, 80), limit=large).idle_bytes == large
    assert session_after((60, 80), (40, 60), limit=large).idle_bytes == small
    assert session_after((60, 80), limit=large - 1).idle_bytes == 0


def test_a_lower_limit_holds_at_once_and_changes_no_result():
    session = session_after((40, 60), (60, 80))
    before = session.run(random_image(40, 60)).image
    session.keep_buffers(0)
    assert session.idle_bytes == 0
    np.testing.assert_array_equal(session.run(random_image(40, 60)).image, before)
    assert session.idle_bytes == 0


def test_buffers_are_found_again_when_their_plan_was_forgotten():
    sizes = [(20, 20 + 2 * n) for n in range(20)]
    assert session_after(*sizes).idle_bytes == session_after(*sizes, *sizes, *sizes).idle_bytes


@pytest.mark.parametrize(("missing", "kept"), [(0, True), (1, False)])
def test_buffers_of_a_run_that_goes_on_count(missing, kept):
    large, small = session_after((60, 80)).idle_bytes, session_after((40, 60)).idle_bytes
    session, idle = session_after(limit=large + small - missing), []

    def run_another(done: int, total: int) -> None:
        session.run(random_image(40, 60))
        idle.append(session.idle_bytes)

    session.run(random_image(60, 80), band_rows=60, progress=run_another)
    assert idle and set(idle) == {small if kept else 0}


def test_buffers_that_were_refused_do_not_count():
    class Poor(NativeBackend):
        is_poor = True

        def make_arena(self, plan):
            if self.is_poor:
                raise MemoryError
            return super().make_arena(plan)

    backend, image = Poor(), random_image(40, 60)
    session = Session(MODEL, threads=1, backend=backend)
    size = session_after((40, 60)).idle_bytes
    session.keep_buffers(size)
    with pytest.raises(MemoryShortError):
        session.run(image)
    backend.is_poor = False
    session.run(image)
    assert session.idle_bytes == size
