"""The time that long work is expected to take."""

from __future__ import annotations

import numpy as np
import pytest

from sparsesr.engine import estimate
from sparsesr.engine.chop import chop
from sparsesr.engine.estimate import expected_seconds
from sparsesr.engine.execute import RunOptions, execute
from sparsesr.engine.plan import MemoryNeeds, Mode, Plan
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError
from support.tiny_models import photo, tiny


@pytest.fixture
def upscaler() -> Upscaler:
    return Upscaler("skim_fast_x2", threads=1, precision="fp32")


def expected(upscaler: Upscaler, pixels: np.ndarray, **options) -> float | None:
    return expected_seconds(upscaler.network, pixels, upscaler.plan(pixels), RunOptions(**options))


def test_short_work_is_not_measured(upscaler, monkeypatch):
    monkeypatch.setattr(estimate, "_measured_seconds", None)
    assert expected(upscaler, photo(60, 80)) is None
    monkeypatch.setattr(estimate, "_LIGHT_MACS", 0)
    assert expected(upscaler, photo(60, 80)) is None


@pytest.fixture
def everything_is_long(monkeypatch):
    monkeypatch.setattr(estimate, "_LIGHT_MACS", 0)
    monkeypatch.setattr(estimate, "LONG_S", 1e-9)


def test_long_work_is_measured_on_the_image_itself(upscaler, monkeypatch, everything_is_long):
    """On a clock that counts multiply-adds: what masks skip takes no time."""
    session, passed = upscaler.network.session, [0.0]
    run = session.run

    def counted(*arguments, **named):
        result = run(*arguments, **named)
        passed[0] += result.stats.macs
        return result

    monkeypatch.setattr(session, "run", counted)
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: passed[0])
    image = np.tile(photo(50, 96), (30, 1, 1))
    for effort, most in ((None, 2.0), (0.9, 1.01)):  # seams make pixels active; with much effort, all are
        seconds = expected(upscaler, image, effort=effort)
        assert passed[0] < 0.2 * session.run(image, dense=True).stats.macs, "a small part"
        macs = session.run(image, effort=effort).stats.macs
        assert seconds is not None and 0.99 * macs < seconds < most * macs
        passed[0] = 0.0


def test_tiles_and_crops_count_what_they_compute(monkeypatch, everything_is_long):
    network, pixels = Upscaler(tiny(), threads=1, precision="fp32").network, photo(40, 40)
    needs, windows = MemoryNeeds(40, 40, 0, 0), chop(40, 40, shave_px=4)
    ticks = iter(range(100))
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: float(next(ticks)))
    whole, tiles = Plan(Mode.WHOLE, 0, needs), Plan(Mode.TILES, 0, needs, windows)
    seconds = [expected_seconds(network, pixels, plan, RunOptions()) for plan in (whole, tiles)]
    assert seconds == pytest.approx([1.0, 2 * tiles.computed_px / 1600]), (
        "twice: attention needs a first pass"
    )
    crops = expected_seconds(network, pixels, Plan(Mode.CHOPPED, 0, needs, windows), RunOptions())
    assert crops is not None and next(ticks) == 4, "not measured"


def test_a_cancelled_job_ends_while_it_is_measured(upscaler, everything_is_long):
    with pytest.raises(CancelledError):
        expected(upscaler, photo(60, 80), cancelled=lambda: True)


def test_time_is_measured_only_for_those_who_want_to_know(upscaler, monkeypatch, everything_is_long):
    pixels, told = photo(30, 40), []
    plan = upscaler.plan(pixels)
    execute(upscaler.network, pixels, plan, RunOptions(on_long_run=lambda *told_of: told.append(told_of)))
    [(told_plan, seconds)] = told
    assert told_plan is plan and seconds > 0
    monkeypatch.setattr(estimate, "_measured_seconds", None)
    plans = []
    execute(upscaler.network, pixels, plan, RunOptions(on_plan=plans.append))
    assert plans == [plan]
