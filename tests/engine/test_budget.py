"""Jobs that share an upscaler jointly stay within its memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeoutError

import numpy as np
import pytest

from sparsesr.engine.budget import MemoryBudget
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError
from sparsesr.runtime.session import Session
from support.tiny_models import photo, tiny

WAIT_S = 20


def test_a_job_running_alone_is_never_refused():
    budget = MemoryBudget(10)
    with budget.reserved(25):
        assert (budget.reserved_bytes, budget.free_bytes) == (25, 0)
    assert (budget.reserved_bytes, budget.free_bytes) == (0, 10)


def test_parts_are_granted_in_the_order_of_requests():
    budget, granted = MemoryBudget(10), []

    def take(nbytes: int) -> None:
        with budget.reserved(nbytes):
            granted.append(nbytes)

    with budget.reserved(6):
        with budget.reserved(4):
            pass
        waiting = []
        for nbytes in (9, 1):  # 1 would fit, but 9 was requested first
            waiting.append(threading.Thread(target=take, args=(nbytes,)))
            waiting[-1].start()
            while len(budget._queue) < len(waiting):
                pass
        assert granted == []
    for thread in waiting:
        thread.join(WAIT_S)
    assert granted == [9, 1]


def test_waiting_can_be_cancelled():
    budget = MemoryBudget(10)
    with budget.reserved(6), budget.entrance():
        with pytest.raises(CancelledError), budget.reserved(5, lambda: True):
            pass
        with pytest.raises(CancelledError), budget.entrance(lambda: True):
            pass
    with budget.reserved(10), budget.entrance():
        pass


@pytest.mark.parametrize("rooms", [1, 2])
def test_the_memory_limits_the_number_of_concurrent_runs(monkeypatch, rooms):
    """Two images run concurrently if there is memory for both, and never otherwise."""
    image, running, most = photo(60, 80), 0, 0
    lock, both = threading.Lock(), threading.Barrier(2)
    run = Session.run

    def counted(self, *args, **options):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            if rooms == 2:
                both.wait(WAIT_S)
            return run(self, *args, **options)
        finally:
            with lock:
                running -= 1

    alone = Upscaler(tiny(), threads=1)
    expected, one = alone(image).image, alone.plan(image).peak_bytes
    memory = one + (rooms - 1) * (one - alone._standing_bytes)
    monkeypatch.setattr(Session, "run", counted)
    upscaler = Upscaler(tiny(), threads=1, memory=memory)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(upscaler, [image, image]))
    assert most == rooms
    assert upscaler.budget.reserved_bytes == 0
    assert upscaler.idle_bytes <= upscaler.budget.total_bytes
    for result in results:
        np.testing.assert_array_equal(result.image, expected)


def test_upscalers_that_share_a_budget_wait_for_each_other():
    shared = MemoryBudget(10**9)
    upscaler = Upscaler(tiny(), threads=1, memory=10**9, budget=shared)
    with ThreadPoolExecutor(1) as pool:
        with shared.reserved(shared.total_bytes):
            waiting = pool.submit(upscaler, photo(20, 20))
            with pytest.raises(FuturesTimeoutError):
                waiting.result(0.3)
        assert waiting.result(WAIT_S).size == (40, 40)
    assert shared.reserved_bytes == 0
