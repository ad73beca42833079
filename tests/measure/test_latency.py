"""Interleaved timing, with a fake clock."""

from __future__ import annotations

import json

import numpy as np
import pytest

from graphs import plain
from sparsesr.measure.latency import Contender, session_contender, time_in_turns
from sparsesr.measure.machine import this_machine
from sparsesr.processor import processor_name
from sparsesr.runtime.session import Session
from support.tiny_models import photo


class FakeClock:
    def __init__(self) -> None:
        self.now_s, self.order = 0.0, ""

    def __call__(self) -> float:
        return self.now_s

    def taking(self, name: str, *times_s: float):
        left = list(times_s)

        def run() -> str:
            self.now_s += left.pop(0)
            self.order += name
            return f"{name}{len(left)}"

        return run


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def timing(clock):
    contenders = {
        "a": Contender(clock.taking("a", 9, 1, 2, 3), 2, "bf16"),
        "b": Contender(clock.taking("b", 9, 0.5, 0.25, 4), 1),
    }
    return time_in_turns(contenders, 3, clock)


def test_contenders_take_turns_after_an_uncounted_warm_up(clock, timing):
    assert clock.order == "ab" * 4
    assert timing.rounds_ms == {"a": [1000, 2000, 3000], "b": [500, 250, 4000]}
    assert timing.results == {"a": ["a2", "a1", "a0"], "b": ["b2", "b1", "b0"]}


def test_medians_are_compared(timing):
    assert (timing.ms("a"), timing.ms("b")) == (2000, 500)
    assert timing.speed_up("b", "a") == 4
    assert timing.speed_up("a", "b") == 0.25


def test_the_record_names_contenders_and_machine(timing):
    record = json.loads(json.dumps(timing.to_json()))
    assert record["machine"] == vars(this_machine())
    assert record["machine"]["processor"] == processor_name()
    assert record["runs"] == [
        {"name": "a", "threads": 2, "precision": "bf16", "ms": 2000, "rounds_ms": [1000, 2000, 3000]},
        {"name": "b", "threads": 1, "precision": "fp32", "ms": 500, "rounds_ms": [500, 250, 4000]},
    ]


def test_sessions_are_contenders():
    session, image = Session(plain(), 1), photo(8, 10)
    contender = session_contender(session, image, out_dtype=np.float32)
    assert (contender.threads, contender.precision) == (1, "fp32")
    np.testing.assert_array_equal(contender.run().image, session.run(image, out_dtype=np.float32).image)
    kept = time_in_turns({"session": contender}, 2).results["session"]
    assert [result.image.nbytes for result in kept] == [0, 0]
    assert all(result.stats.macs == contender.run().stats.macs > 0 for result in kept)
