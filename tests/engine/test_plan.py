from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsesr.engine.plan import PROCESS_BYTES, MemoryNeeds, Mode, cut_tiles, make_plan
from sparsesr.errors import LimitError


def run_bytes(height: int, width: int, low_memory: bool) -> int:
    return (800 if low_memory else 2000) * height * width + 12 * height * width


def need(height: int, width: int, halo: int = 20) -> MemoryNeeds:
    return MemoryNeeds(height, width, 3 * height * width, 12 * height * width, halo, 2, 2)


sides = st.integers(1, 400)


@settings(max_examples=200, deadline=None)
@given(sides, sides, st.integers(8, 60), st.integers(8, 60), st.integers(0, 30))
def test_tiles_cover_every_pixel_once_and_windows_include_the_halo(height, width, rows, columns, halo):
    covered = np.zeros((height, width), int)
    for tile in cut_tiles(height, width, 2 * rows, 2 * columns, halo, 2):
        core, window = tile.core, tile.window
        covered[core.top : core.bottom, core.left : core.right] += 1
        assert window.top % 2 == 0 and window.left % 2 == 0
        assert window.bottom % 2 == 0 or window.bottom == height
        assert window.right % 2 == 0 or window.right == width
        assert window.top <= max(0, core.top - halo) and window.left <= max(0, core.left - halo)
        assert window.bottom >= min(height, core.bottom + halo)
        assert window.right >= min(width, core.right + halo)
    assert (covered == 1).all()


@settings(max_examples=200, deadline=None)
@given(sides, sides, st.integers(1_000_000, 300_000_000))
def test_a_plan_is_within_its_limit_or_refused_with_the_memory_needed(height, width, room):
    limit = PROCESS_BYTES + room
    try:
        plan = make_plan(need(height, width), run_bytes, limit)
    except LimitError as error:
        needed = int(str(error).split(" needs at least ")[1].split(" MB")[0])
        assert needed * 1_000_000 >= limit
        assert make_plan(need(height, width), run_bytes, needed * 1_000_000).peak_bytes > limit
        return
    assert plan.peak_bytes <= limit
    assert (plan.mode is Mode.TILES) == bool(plan.tiles)
    for tile in plan.tiles:
        assert run_bytes(tile.window.height, tile.window.width, True) <= limit - PROCESS_BYTES


def test_the_best_mode_that_fits_is_chosen():
    size = need(100, 100)
    fixed = PROCESS_BYTES + size.held_bytes
    assert make_plan(size, run_bytes, fixed + run_bytes(100, 100, False)).mode is Mode.WHOLE
    assert make_plan(size, run_bytes, fixed + run_bytes(100, 100, False) - 1).mode is Mode.LOW_MEMORY
    assert make_plan(size, run_bytes, fixed + run_bytes(100, 100, True) - 1).mode is Mode.TILES


def test_the_refusal_states_the_remedy():
    with pytest.raises(LimitError, match=r"needs at least \d+ MB, but the limit is 1 MB; raise memory"):
        make_plan(need(100, 100), run_bytes, 1_000_000)


def test_the_warning_about_tiles_states_their_cost_and_a_remedy():
    size = need(400, 600)
    enough = PROCESS_BYTES + size.held_bytes + run_bytes(400, 600, True)
    assert make_plan(size, run_bytes, enough).warning() is None
    plan = make_plan(size, run_bytes, PROCESS_BYTES + size.held_bytes + size.output_bytes + 20_000_000)
    assert plan.work_factor > 2 * sum(tile.window.area for tile in plan.tiles) / (400 * 600) > 2
    warning = plan.warning().worded()
    assert f"requires {len(plan.tiles)} tiles, which take about {plan.work_factor:.1f} times" in warning
    named = int(warning.split("; memory ")[1].split("MB")[0])
    assert make_plan(size, run_bytes, named * 1_000_000).mode is Mode.LOW_MEMORY


def test_tighter_limits_cost_more_but_the_probe_stays_cheap():
    size = need(600, 600)
    fixed = PROCESS_BYTES + size.held_bytes + size.output_bytes
    plans = [make_plan(size, run_bytes, fixed + room) for room in (150_000_000, 40_000_000, 10_000_000)]
    assert [plan.mode for plan in plans] == [Mode.TILES] * 3
    factors = [plan.work_factor for plan in plans]
    assert factors == sorted(factors)
    for plan in plans:
        tiles = 2 * sum(tile.window.area for tile in plan.tiles) / (600 * 600)
        assert plan.work_factor - tiles < 1.2
