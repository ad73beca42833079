"""Budgets of batches on a simulated machine: nothing here depends on the speed of the real one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.forecast import EFFORTS, LEVELS, Forecast
from sparsesr.engine.level_costs import FirstRates, MacCosts, TimeCosts
from sparsesr.engine.plan import MemoryNeeds, Mode, Plan
from sparsesr.engine.result import Pass, UpscaleResult
from sparsesr.errors import CancelledError, InputError, LimitError, UsageError
from sparsesr.jobs import batch, batch_budget
from sparsesr.jobs.batch import upscale_files
from sparsesr.jobs.batch_budget import BatchBudget
from sparsesr.jobs.files import FileResult, WriteOptions
from sparsesr.jobs.journal import Journal
from sparsesr.runtime.session import RunResult
from sparsesr.runtime.stats import LayerStats, Stats

PX = 100_000
INACTIVE, ACTIVE = 1e9, 10e9
"""Multiply-adds that every image takes, and that its active pixels add if all are."""
OUTSIDE_S, BICUBIC_S, FIXED_S, ACTIVE_S = 0.02, 0.03, 0.10, 0.50
LOOK_S = 0.001


@dataclass
class Machine:
    """Images with any amount of detail, and the true time of everything, in seconds."""

    names: list[str]
    slower: float = 1.0
    """Than the first guess says."""
    noise: float = 0.0
    forecast_error: float = 0.0
    """Spread of real densities around the expected ones."""
    now: float = 50.0
    unreadable: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    looks: list[str] = field(default_factory=list)
    done: dict[str, float | None] = field(default_factory=dict)
    longest: float = 0.0
    cancel_at: str | None = None

    def clock(self) -> float:
        return self.now

    def detail(self, name: str) -> float:
        return np.random.default_rng([ord(c) for c in name]).uniform(0.05, 1)

    def densities(self, name: str) -> np.ndarray:
        return np.concatenate([[0.0], self.detail(name) * np.array(EFFORTS)])

    def forecast(self, name: str) -> Forecast:
        gains = 1000 * self.detail(name) ** 2 * np.concatenate([[0.0], 0.4 + 0.6 * np.sqrt(EFFORTS)])
        return Forecast(4 * PX, gains, self.densities(name), INACTIVE, INACTIVE + ACTIVE)

    def upscale(self, upscaler, source: Path, target: Path, options: RunOptions, write_options) -> FileResult:
        name = source.name
        if name in self.unreadable:
            raise InputError("cannot be read")
        if name == self.cancel_at:
            raise CancelledError("interrupted")
        rng = np.random.default_rng([1, *(ord(c) for c in name)])
        density = 0.0 if options.is_bicubic else self.densities(name)[LEVELS.index(options.effort)]
        density *= 1 + self.forecast_error * rng.uniform(-1, 1)
        inside = BICUBIC_S if options.is_bicubic else FIXED_S + ACTIVE_S * density
        factor = self.slower * (1 + self.noise * rng.uniform(-1, 1))
        taken = (inside + OUTSIDE_S) * factor
        self.now += taken
        self.longest = max(self.longest, taken)
        self.done[name] = None if options.is_bicubic else options.effort
        macs = 0 if options.is_bicubic else round(INACTIVE + ACTIVE * density)
        layers = () if options.is_bicubic else (LayerStats("a", "conv2d", 1.0, None, 1, 1, 1),)
        stats = Stats(inside * factor * 1000, layers, macs, macs, {})
        run = RunResult(np.empty((0, 0, 3), np.uint8), stats, None, {})
        plan = Plan(Mode.WHOLE, 1, MemoryNeeds(1, 1, 1, 1))
        target.write_bytes(b"x")
        result = UpscaleResult(
            target, run, plan, passes=(Pass("m", 2),), seconds=taken, effort=options.effort
        )
        return FileResult(result, (1, 1), "m", "fp32", "")

    def bicubic_s(self) -> float:
        return (BICUBIC_S + OUTSIDE_S) * self.slower * len(self.names)


class FakeSurvey:
    """Looks cost a little time; forecasts are those of the machine."""

    def __init__(self, machine: Machine, unit: str) -> None:
        self.machine = machine
        rates = FirstRates(BICUBIC_S * 1000 / (4 * PX), FIXED_S * 1000 / INACTIVE, ACTIVE_S * 1000 / ACTIVE)
        self.costs = TimeCosts(rates) if unit == "s" else MacCosts()

    def has_changed(self, source: Path) -> bool:
        return source.name in self.machine.changed

    def output_px(self, source: Path) -> int | None:
        return 4 * PX

    def forecast(self, source: Path) -> Forecast:
        self.machine.now += LOOK_S
        self.machine.looks.append(source.name)
        if source.name in self.machine.unreadable:
            raise InputError("cannot be read")
        return self.machine.forecast(source.name)


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Runs a batch on a machine; returns its outcomes."""

    def run(machine: Machine, budget: BatchBudget, **arguments):
        monkeypatch.setattr(batch_budget, "Survey", lambda upscaler, unit: FakeSurvey(machine, unit))
        monkeypatch.setattr(batch, "upscale_file", machine.upscale)
        targets = {Path(name): tmp_path / f"{name}_x2" for name in machine.names}
        return [*upscale_files(None, targets, WriteOptions(), unwatched, budget=budget, **arguments)]

    return run


@contextmanager
def unwatched(source: Path):
    yield RunOptions()


def names(count: int) -> list[str]:
    return [f"image{number}" for number in range(count)]


@pytest.mark.parametrize("count", [20, 60])
@pytest.mark.parametrize(
    "troubles",
    [
        {},
        {"slower": 1.6},
        {"slower": 0.6},
        {"noise": 0.3},
        {"forecast_error": 0.3, "slower": 1.3, "noise": 0.1},
    ],
)
def test_the_budget_is_met_within_three_percent(start, count, troubles):
    machine = Machine(names(count), **troubles)
    budget = BatchBudget(seconds=0.25 * count * machine.slower, clock=machine.clock)
    outcomes = start(machine, budget)
    assert budget.spent == pytest.approx(machine.now - 50)
    assert budget.spent == pytest.approx(budget.amount, rel=0.03)
    assert budget.spent <= budget.amount + machine.longest
    assert len({effort for effort in machine.done.values() if effort is not None}) > 3, "efforts differ"
    for _, _, done in outcomes:
        assert (
            done.share.unit == "s" and done.share.effort == machine.done[Path(done.upscaled.image).name[:-3]]
        )
    assert outcomes[-1][2].share.left == pytest.approx(budget.amount - budget.spent)


def test_images_with_more_detail_get_more(start):
    machine = Machine(names(40))
    start(machine, BatchBudget(seconds=7, clock=machine.clock))
    spent = [
        (machine.detail(name), effort if effort is not None else -1) for name, effort in machine.done.items()
    ]
    poor, rich = (np.mean([e for d, e in spent if low <= d < low + 0.5]) for low in (0.0, 0.5))
    assert rich > poor


def test_multiply_adds_are_a_budget_too(start):
    machine = Machine(names(30), slower=7, forecast_error=0.3)
    budget = BatchBudget(macs=80e9, clock=machine.clock)
    outcomes = start(machine, budget)
    macs = sum(done.upscaled.stats.macs for _, _, done in outcomes)
    assert budget.spent == macs == pytest.approx(80e9, rel=0.03)
    assert {done.share.unit for _, _, done in outcomes} == {"macs"}


def test_a_budget_that_is_too_small_gives_bicubic_and_says_so(start):
    machine = Machine(names(20))
    budget = BatchBudget(seconds=0.2, clock=machine.clock)
    outcomes = start(machine, budget)
    assert set(machine.done.values()) == {None} and budget.short == 20
    assert all("too small" in done.upscaled.notes[-1] for _, _, done in outcomes)
    assert budget.spent == pytest.approx(machine.bicubic_s() + LOOK_S * len(machine.looks))


def test_a_budget_that_runs_short_ends_with_bicubic(start):
    """The machine turns out to be five times as slow as the first guess."""
    machine = Machine(names(20), slower=5)
    budget = BatchBudget(seconds=machine.bicubic_s() * 1.3, clock=machine.clock)
    start(machine, budget)
    assert budget.spent <= budget.amount + machine.longest
    assert list(machine.done.values())[-5:].count(None) >= 4


def test_a_budget_that_is_more_than_enough_is_not_used_up(start):
    machine = Machine(names(5))
    budget = BatchBudget(seconds=500, clock=machine.clock)
    start(machine, budget)
    assert set(machine.done.values()) == {1.0} and budget.left > 400 and budget.short == 0


@pytest.mark.parametrize(("share", "effort"), [(-0.1, None), (0.5, "some"), (3, 1.0)])
def test_one_image(start, share, effort):
    """``share`` of the time that all its active pixels take, beyond what it takes without any."""
    machine = Machine(names(1))
    seconds = OUTSIDE_S + FIXED_S + share * ACTIVE_S * machine.detail("image0") + LOOK_S
    budget = BatchBudget(seconds=seconds, clock=machine.clock)
    start(machine, budget)
    (got,) = machine.done.values()
    assert (0.4 <= got <= 0.5) if effort == "some" else got == effort
    assert budget.spent <= seconds


def test_files_that_vanish_leave_their_time_to_the_others(start):
    machine = Machine(names(25), unreadable={"image3", "image4", "image20"})
    budget = BatchBudget(seconds=5, clock=machine.clock)
    outcomes = start(machine, budget)
    failed = [source.name for source, _, outcome in outcomes if isinstance(outcome, InputError)]
    assert failed == ["image3", "image4", "image20"]
    assert budget.spent == pytest.approx(5, rel=0.03)


def test_memory_that_is_too_short_for_one_look_does_not_end_the_batch(start, monkeypatch):
    machine, look = Machine(names(4)), FakeSurvey.forecast

    def forecast(self, source):
        if source.name == "image2":
            raise MemoryError
        return look(self, source)

    monkeypatch.setattr(FakeSurvey, "forecast", forecast)
    outcomes = start(machine, BatchBudget(seconds=2, clock=machine.clock))
    assert sorted(machine.done) == ["image0", "image1", "image3"]
    assert [str(outcome) for *_, outcome in outcomes if isinstance(outcome, LimitError)] == [
        "image2: not enough memory; free some memory, or shrink the image"
    ]


def test_a_file_that_changes_is_looked_at_again(start):
    machine = Machine(names(4), changed={"image2"})
    start(machine, BatchBudget(seconds=2, clock=machine.clock))
    assert sorted(machine.looks) == sorted([*names(4), "image2"])


def test_files_that_arrive_share_what_is_left(start, tmp_path):
    machine, new = Machine(names(20)), [f"late{number}" for number in range(20)]
    budget = BatchBudget(seconds=9, clock=machine.clock)

    def arrivals():
        is_time = len(machine.done) == 10 and new
        return (
            {Path(name): tmp_path / f"{name}_x2" for name in (new.pop() for _ in range(20))}
            if is_time
            else {}
        )

    start(machine, budget, arrivals=arrivals)
    assert len(machine.done) == 40
    assert budget.spent == pytest.approx(9, rel=0.03)


def test_long_looks_are_put_off(start, monkeypatch):
    monkeypatch.setattr(f"{__name__}.LOOK_S", 0.02)
    machine = Machine(names(100))
    budget = BatchBudget(seconds=20, clock=machine.clock)
    outcomes = start(machine, budget)
    before_first = machine.looks.index("image0", 1) if machine.looks.count("image0") > 1 else None
    assert before_first is None and sorted(machine.looks) == sorted(names(100))
    assert budget.spent == pytest.approx(20, rel=0.03) and len(outcomes) == 100


def test_an_interrupted_batch_goes_on_with_what_is_left(start, tmp_path):
    machine = Machine(names(30), cancel_at="image12")
    first = BatchBudget(seconds=6, clock=machine.clock)
    outcomes = start(machine, first, journal=Journal(tmp_path, {"budget": 6}))
    assert isinstance(outcomes[-1][2], CancelledError) and len(machine.done) == 12
    machine.cancel_at, begun = None, machine.now
    machine.now += 1000  # until the user starts it again
    journal = Journal(tmp_path, {"budget": 6})
    assert journal.spent == pytest.approx(begun - 50)
    second = BatchBudget(seconds=6, clock=machine.clock)
    start(machine, second, journal=journal)
    assert len(machine.done) == 30
    assert second.spent == pytest.approx(6, rel=0.03)
    assert machine.now - 1000 - 50 == pytest.approx(second.spent)
    assert not list(tmp_path.glob(".sparsesr-job*"))


def test_existing_results_take_nothing_of_the_budget(start, tmp_path):
    machine = Machine([str(tmp_path / name) for name in names(20)])
    for name in machine.names:
        Path(name).write_bytes(b"source")
    for name in machine.names[:10]:
        Path(f"{name}_x2").write_bytes(b"there")
    budget = BatchBudget(seconds=2, clock=machine.clock)
    outcomes = start(machine, budget, skip_existing=True)
    assert len(machine.done) == 10 and len(outcomes) == 20
    assert budget.spent == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either a time or"),
        ({"seconds": 5, "macs": 5}, "either a time or"),
        ({"seconds": 0}, "greater than 0"),
        ({"seconds": -3}, "greater than 0"),
        ({"macs": float("nan")}, "greater than 0"),
        ({"seconds": float("inf")}, "greater than 0"),
        ({"seconds": "10min"}, "must be a number"),
    ],
)
def test_invalid_budgets(arguments, message):
    with pytest.raises(UsageError, match=message):
        BatchBudget(**arguments)


def test_options_that_choose_the_effort_themselves_are_refused(start):
    machine = Machine(names(2))
    budget = BatchBudget(seconds=2, clock=machine.clock)
    start(machine, budget)
    for chosen in ({"effort": 0.5}, {"target_ms": 5.0}):
        with pytest.raises(UsageError, match="leave effort and target_ms out"):
            budget.options(Path("image0"), replace(RunOptions(), **chosen))
