"""A system that refuses memory: smaller plans are tried, and results stay the same where they promise it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.plan import PROCESS_BYTES, MemoryNeeds, Mode, make_plan, smaller_plan
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import LimitError, MemoryShortError
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.backend.native.backend import NativeBackend
from sparsesr.runtime.changed_run import KeptResult
from sparsesr.runtime.session import Session
from support.tiny_models import photo, tiny


def refuse_above(limit: int, monkeypatch) -> list[int]:
    """Make runs fail that need more than ``limit`` bytes of buffers; returns what each run needs."""
    asked, run = [], Session.run

    def limited(self, image, **options):
        size = self.peak_bytes(*image.shape[:2], low_memory=options.get("low_memory", False))
        asked.append(size)
        if size > limit:
            raise MemoryError
        return run(self, image, **options)

    monkeypatch.setattr(Session, "run", limited)
    return asked


def test_a_run_that_is_refused_memory_falls_back_to_tiles(monkeypatch):
    image, upscaler = photo(120, 160), Upscaler(tiny(), threads=1, memory=10**9)
    expected = upscaler(image)
    asked = refuse_above(upscaler.network.session.peak_bytes(120, 160, low_memory=True) // 2, monkeypatch)
    result = upscaler(image)
    assert expected.plan.mode is Mode.WHOLE and result.plan.mode is Mode.TILES and result.plan.is_forced
    assert result.notes[0] == "memory ran short, so the image was upscaled in tiles"
    assert asked[0] == max(asked)
    assert np.abs(result.image.astype(int) - expected.image.astype(int)).max() <= 4, "as of tiles"
    limit = replace(result.plan, is_forced=False).peak_bytes
    planned = Upscaler(tiny(), threads=1, memory=limit)(image)
    np.testing.assert_array_equal(result.image, planned.image)
    assert upscaler.budget.reserved_bytes == 0


def test_memory_that_is_refused_to_the_smallest_parts_is_an_error_with_a_remedy(monkeypatch):
    refuse_above(0, monkeypatch)
    with pytest.raises(
        MemoryShortError, match="even in the smallest parts; free some memory, or shrink the image"
    ):
        Upscaler(tiny(), threads=1, memory=10**9)(photo(60, 80))


def test_memory_is_asked_for_before_a_plan_is_announced(monkeypatch):
    announced, upscaler, image = [], Upscaler(tiny(), threads=1, memory=10**9), photo(120, 160)
    empty, limit = np.empty, upscaler.network.session.peak_bytes(120, 160, low_memory=True) // 2

    def limited(shape, *rest, **named):
        if isinstance(shape, int) and shape > limit:
            raise MemoryError
        return empty(shape, *rest, **named)

    monkeypatch.setattr("sparsesr.engine.network_pass.np.empty", limited)
    options = RunOptions(on_plan=lambda plan: announced.append(plan))
    upscaler.upscale_planes(image, None, upscaler.planned_route(image), options)
    (plan,) = announced
    assert plan.mode is Mode.TILES
    assert plan.warning().worded().startswith("memory ran short, which requires ")
    assert not plan.warning().parameters, "no option would help"


def test_a_smaller_plan_needs_less_until_there_is_none():
    need = MemoryNeeds(200, 300, 10**5, 10**6, halo_px=8, multiple=2)

    def run_bytes(rows: int, columns: int, low_memory: bool) -> int:
        return rows * columns * (60 if low_memory else 100)

    plans = [make_plan(need, run_bytes, 10**9)]
    with pytest.raises(MemoryShortError):
        while True:
            plans.append(smaller_plan(plans[-1], run_bytes))
    peaks = [plan.peak_bytes for plan in plans]
    assert [plan.mode for plan in plans[:3]] == [Mode.WHOLE, Mode.LOW_MEMORY, Mode.TILES]
    assert all(plan.is_forced for plan in plans[1:]) and not plans[0].is_forced
    assert len(peaks) > 3 and peaks == sorted(set(peaks), reverse=True)
    assert peaks[-1] > PROCESS_BYTES + need.held_bytes + need.output_bytes
    with pytest.raises(MemoryShortError):
        smaller_plan(plans[1], run_bytes, may_tile=False)


def test_the_limit_is_half_of_what_is_free_unless_it_is_given(monkeypatch):
    monkeypatch.setattr("sparsesr.engine.upscaler.default_memory_bytes", lambda: PROCESS_BYTES + 10**5)
    assert Upscaler(tiny()).memory == PROCESS_BYTES + 10**5
    words = "half of the free memory; free some memory, shrink the image, or set memory"
    with pytest.raises(LimitError, match=words):
        Upscaler(tiny())(photo(64, 64))
    with pytest.raises(LimitError, match="the limit is 90 MB; raise memory"):
        Upscaler(tiny(), memory=PROCESS_BYTES + 10**5)(photo(64, 64))


SHORT = "not enough memory to upscale an image of 30 x 20 pixels in one piece; free some memory, or shrink the image"


class Poor(NativeBackend):
    """Has no memory for buffers."""

    def make_arena(self, plan):
        raise MemoryError


def test_buffers_that_cannot_be_had_are_an_error_that_names_no_option_that_does_not_exist():
    with pytest.raises(MemoryShortError, match=SHORT):
        Session(tiny(), backend=Poor()).run(photo(20, 30))


def test_a_result_that_cannot_be_had_is_an_error_too(monkeypatch):
    def refuse(*shape, **named):
        raise MemoryError

    session, image = Session(tiny()), photo(20, 30)
    monkeypatch.setattr("sparsesr.runtime.session.np.empty", refuse)
    with pytest.raises(MemoryShortError, match=SHORT):
        session.run(image)


def test_so_are_buffers_of_a_run_on_what_has_changed():
    kept = KeptResult(np.zeros((40, 60, 3), np.uint8), np.zeros((20, 30), np.bool_))
    session = Session(load("skim_fast_x2"), backend=Poor())
    with pytest.raises(MemoryShortError, match=SHORT):
        session.run_changed(photo(20, 30), np.ones((20, 30), np.bool_), kept)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on addresses that is kept")
def test_a_limit_on_addresses_is_met_by_tiles():
    """In a process of its own, whose limit leaves half of what a run in parts needs beside what it has loaded."""
    code = """
import resource, sys, numpy as np
from pathlib import Path
from sparsesr import Upscaler
upscaler, image = Upscaler("smsr_s_x2", threads=1, memory=10**10), np.zeros((600, 800, 3), np.uint8)
upscaler(image[:32, :32])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
left = upscaler.network.session.peak_bytes(600, 800, low_memory=True) // 2
resource.setrlimit(resource.RLIMIT_AS, (used + left, -1))
result = upscaler(image)
print(result.image.shape, result.plan.mode.value, result.notes[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.stdout.startswith("(1200, 1600, 3) tiles memory ran short"), done.stdout + done.stderr
