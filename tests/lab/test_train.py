"""Training loop: it learns, resumes exactly, and stops with a reason."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from lab.training_runs import quiet, tiny, tiny_recipe  # noqa: E402
from sparsesr.errors import InputError, ModelError, UsageError  # noqa: E402
from sparsesr.lab.export.checkpoint import read_checkpoint  # noqa: E402
from sparsesr.lab.nn.registry import NETWORKS  # noqa: E402
from sparsesr.lab.nn.smsr import SMSR  # noqa: E402
from sparsesr.lab.recipes.find import find_search_recipe  # noqa: E402
from sparsesr.lab.train import checkpoint  # noqa: E402
from sparsesr.lab.train.ending import Ending  # noqa: E402
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe  # noqa: E402
from sparsesr.lab.train.loop import train  # noqa: E402
from sparsesr.lab.train.optimisation import lr_factor_at  # noqa: E402
from sparsesr.lab.train.overrides import with_overrides  # noqa: E402
from sparsesr.lab.train.recipe import Pruning, Recipe, Sparsity  # noqa: E402
from sparsesr.lab.train.step import train_step  # noqa: E402

OPEN = Sparsity(weight=0.0, dense_fraction=1.0)
"""Masks stay open."""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "tiny_x2", tiny)
    return tiny_recipe(tmp_path)


def run(recipe, folder, *, max_minutes=None, finish_within=None, should_stop=lambda: False, **settings):
    ending = Ending(max_minutes, finish_within, should_stop)
    # On a busy machine, threads of such a small network mostly wait for each other.
    return train(recipe, folder, ending=ending, device="cpu", threads=1, **{"report": quiet, **settings})


def log_of(folder, name):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line[name] for line in lines if name in line}


class StopAfter:
    """Like Ctrl-C in the middle of step ``count``."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> bool:
        self.count -= 1
        return self.count == 0


def test_training_learns_and_logs(recipe, tmp_path):
    outcome = run(recipe, tmp_path / "run")
    assert outcome.finished and outcome.step == 60
    losses = list(log_of(tmp_path / "run", "l1").values())
    assert len(losses) == 60 and sum(losses[-10:]) < 0.8 * sum(losses[:10])
    assert list(log_of(tmp_path / "run", "psnr_y")) == [30, 60]
    assert all(0 < kept <= 1 for kept in log_of(tmp_path / "run", "kept").values())
    densities = log_of(tmp_path / "run", "density")
    assert densities[12] == 1 and densities[60] < 1
    assert list((tmp_path / "run/tensorboard").iterdir())


def test_resuming_gives_the_same_losses_and_weights(recipe, tmp_path):
    whole = run(recipe, tmp_path / "whole")
    first = run(recipe, tmp_path / "halves", should_stop=StopAfter(8))  # in the dense phase
    assert first.step == 8 and not first.finished
    run(recipe, tmp_path / "halves", resume=True, should_stop=StopAfter(20))  # while masks change
    halves = run(recipe, tmp_path / "halves", resume=True)
    assert log_of(tmp_path / "whole", "l1") == log_of(tmp_path / "halves", "l1")
    assert log_of(tmp_path / "whole", "sparsity_weight") == log_of(tmp_path / "halves", "sparsity_weight")
    expected, found = (torch.load(end.checkpoint, weights_only=True) for end in (whole, halves))
    for weights in ("network", "ema"):
        assert all(torch.equal(expected[weights][name], found[weights][name]) for name in expected[weights])


@pytest.mark.parametrize(
    "lesson", [{}, {"lesson_weight": 10.0, "lesson_fraction": 0.2, "hard_fraction": 0.3}]
)
def test_thresholds_bring_every_module_to_the_target(recipe, tmp_path, lesson):
    settings = {"dense_fraction": 0.3, "warmup_fraction": 0.2, "freeze_fraction": 0.5, "hard_fraction": 0.6}
    plan = Sparsity(target_density=0.5, control="threshold", **{**settings, **lesson})
    recipe = replace(recipe, steps=300, learning_rate=2e-3, sparsity=plan)
    whole = run(recipe, tmp_path / "whole")
    densities = log_of(tmp_path / "whole", "density")
    assert densities[120] > 0.5
    assert log_of(tmp_path / "whole", "kept")[90] == 1
    last = [
        density for step, density in densities.items() if step > 240
    ]  # two small patches each, so modules differ
    assert sum(last) / len(last) == pytest.approx(0.5, abs=0.2)
    kept = torch.load(whole.checkpoint, weights_only=True)["masks"]["density"]
    assert all(0.1 < density < 0.9 for density in kept)
    # A step depends only on its number and the state.
    run(recipe, tmp_path / "halves", should_stop=StopAfter(50))  # during the lesson, if any
    run(recipe, tmp_path / "halves", resume=True, should_stop=StopAfter(60))  # while the density falls
    halves = run(recipe, tmp_path / "halves", resume=True)
    assert log_of(tmp_path / "whole", "l1") == log_of(tmp_path / "halves", "l1")
    expected, found = (torch.load(end.checkpoint, weights_only=True)["ema"] for end in (whole, halves))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_log_beyond_the_checkpoint_is_dropped(recipe, tmp_path):
    run(recipe, tmp_path / "run", should_stop=StopAfter(10))
    with (tmp_path / "run/log.jsonl").open("a") as file:
        file.write('{"step": 13, "l1": 7.0}\n{"step": 1')  # a crash after the checkpoint
    run(recipe, tmp_path / "run", resume=True, should_stop=StopAfter(2))
    assert list(log_of(tmp_path / "run", "l1")) == list(range(1, 13))


def test_a_run_is_not_overwritten(recipe, tmp_path):
    run(replace(recipe, steps=1), tmp_path / "run")
    with pytest.raises(UsageError, match="resume"):
        run(recipe, tmp_path / "run")


def test_the_time_limit_is_kept(recipe, tmp_path):
    outcome = run(recipe, tmp_path / "run", max_minutes=0.0)
    assert outcome.step == 1 and not outcome.finished


@pytest.mark.parametrize("setting", [{"network": "smsr_s_x2"}, {"learning_rate": 1e-4}, {"sparsity": None}])
def test_a_checkpoint_of_another_recipe_is_refused(recipe, tmp_path, setting):
    run(replace(recipe, steps=1), tmp_path / "run")
    with pytest.raises(ModelError, match=f"another recipe.*{next(iter(setting))}"):
        run(replace(recipe, **setting), tmp_path / "run", resume=True)


def test_settings_that_a_checkpoint_does_not_have_yet_count_as_their_defaults(tmp_path):
    def stored(recipe, **groups):
        settings = asdict(recipe)
        del settings["gradient_clip"]
        for name, left_out in groups.items():
            del settings[name][left_out]
        path = tmp_path / "checkpoint.pt"
        checkpoint.write(path, {"format": checkpoint.FORMAT, "recipe": settings, "step": 1})
        return path

    plain = EnlargingRecipe("tiny_x2", 60, scale=2)
    masks = Sparsity(target_density=0.5, freeze_fraction=0)
    both = replace(plain, sparsity=masks, pruning=Pruning(keep=2))
    path = stored(both, sparsity="most_dense", pruning="events")
    assert checkpoint.load(path, both)["step"] == 1
    for other in (
        replace(both, sparsity=replace(masks, most_dense=0.5)),
        replace(both, pruning=Pruning(keep=2, events=3)),
        replace(both, gradient_clip=0.5 * plain.gradient_clip),
        replace(both, pruning=None),
    ):
        with pytest.raises(ModelError, match="another recipe"):
            checkpoint.load(path, other)
    for group in ({"sparsity": Sparsity()}, {"pruning": Pruning()}):
        with pytest.raises(ModelError, match=f"another recipe.*{next(iter(group))}"):
            checkpoint.load(stored(plain), replace(plain, **group))


@pytest.mark.parametrize(
    ("setting", "name"), [("teacher", "t.pt"), ("network", "g.json"), ("search.latency_table", "l.json")]
)
def test_files_that_a_recipe_names_may_move_but_not_change(tmp_path, monkeypatch, setting, name):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"one")

    def naming(path) -> Recipe:
        return with_overrides(find_search_recipe("frontier_x2"), [f"{setting}={path}"])

    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, naming(name), 1, contents=checkpoint.contents(naming(name)))
    (tmp_path / "elsewhere").mkdir()
    moved = Path(name).rename(tmp_path / "elsewhere" / name)
    assert checkpoint.load(path, naming(moved))["step"] == 1
    moved.write_bytes(b"two")
    with pytest.raises(ModelError, match=f"{setting}: .* has other content"):
        checkpoint.load(path, naming(moved))
    with pytest.raises(ModelError, match=f"{setting} .* -> 'another'"):
        checkpoint.load(path, naming("another"))


def test_damaged_and_old_checkpoints_are_refused(recipe, tmp_path):
    (tmp_path / "run").mkdir()
    path = tmp_path / "run/checkpoint.pt"
    path.write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="not a training checkpoint"):
        run(recipe, tmp_path / "run", resume=True)
    torch.save({"recipe": {"network": "tiny_x2"}, "step": 3}, path)
    with pytest.raises(ModelError, match=r"this sparsesr version.*init_from"):
        run(recipe, tmp_path / "run", resume=True)


def test_a_non_finite_loss_stops_with_step_and_remedy(recipe, tmp_path, monkeypatch):
    def broken() -> SMSR:
        network = tiny()
        with torch.no_grad():
            network.head[0].weight.fill_(float("nan"))
        return network

    monkeypatch.setitem(NETWORKS, "tiny_x2", broken)
    with pytest.raises(ModelError, match=r"nan at step 1;.*learning_rate") as broken_run:
        run(recipe, tmp_path / "run")

    assert "start again" in str(broken_run.value) and "init_from" not in str(broken_run.value)


def test_a_loss_that_becomes_infinite_names_the_checkpoint(recipe, tmp_path, monkeypatch):
    def diverged(trainee, step, batch):
        losses = train_step(trainee, step, batch)
        return replace(losses, total=losses.total / (6 - step)) if step == 6 else losses

    monkeypatch.setattr("sparsesr.lab.train.method.train_step", diverged)
    with pytest.raises(ModelError, match=r"inf at step 6; .*holds step 5: restart from it"):
        run(recipe, tmp_path / "run")


def test_a_closed_pipe_does_not_cost_the_steps_done(recipe, tmp_path):
    def until_step_8(line: str) -> None:
        if line.startswith("step 8/"):
            raise BrokenPipeError

    outcome = run(recipe, tmp_path / "run", report=until_step_8)
    assert outcome.step == 8 and not outcome.finished
    assert torch.load(outcome.checkpoint, weights_only=True)["step"] == 8


def test_a_run_outlives_a_full_disk_under_its_log(recipe, tmp_path, monkeypatch):
    opened, lines = Path.open, []

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    def fails(path, mode="r", **options):
        if path.name == "log.jsonl" and 3 <= len(lines) < 6:
            with opened(path, mode) as file:
                file.write('{"st')  # what still fitted
            return Full()
        return opened(path, mode, **options)

    monkeypatch.setattr(Path, "open", fails)
    outcome = run(replace(recipe, steps=8, validation=""), tmp_path / "run", report=lines.append)
    monkeypatch.undo()
    assert outcome.finished
    assert [line for line in lines if "warning" in line and "no space left" in line][1:] == []
    assert 2 <= len(log_of(tmp_path / "run", "l1")) < 8  # whole lines only


def test_a_run_has_no_fewer_steps_than_are_done(recipe, tmp_path):
    run(recipe, tmp_path / "run", should_stop=StopAfter(5))
    with pytest.raises(UsageError, match=r"has done 5 of 4 steps; set recipe.steps to at least 5"):
        run(replace(recipe, steps=4), tmp_path / "run", resume=True)


def test_masks_that_a_shortened_run_has_not_started_yet_start_at_once(recipe, tmp_path):
    """The run is resumed behind the steps at which its masks would have started."""
    plan = Sparsity(target_density=0.5, control="threshold", dense_fraction=0.5, warmup_fraction=0.5)
    recipe = replace(recipe, steps=60, sparsity=plan, validation="")
    run(recipe, tmp_path / "run", should_stop=StopAfter(25))
    outcome = run(replace(recipe, steps=40), tmp_path / "run", resume=True, should_stop=StopAfter(1))
    stored = torch.load(outcome.checkpoint, weights_only=True)
    for module in ("body.0", "body.1"):
        inactive, active = stored["network"][f"{module}.spa_mask.5.bias"]
        assert active - inactive > 2  # nearly all pixels are active, as at every start
    assert stored["masks"]["started"] and stored["masks"]["centred"]


def test_a_full_disk_leaves_the_old_checkpoint(recipe, tmp_path, monkeypatch):
    run(replace(recipe, steps=7), tmp_path / "run", should_stop=StopAfter(5))
    before = (tmp_path / "run/checkpoint.pt").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    lines = []
    with pytest.raises(InputError, match="no space left"):  # the last save must not fail silently
        run(replace(recipe, steps=7, save_every=6), tmp_path / "run", resume=True, report=lines.append)
    assert any("training continues" in line and "holds step 5" in line for line in lines)
    assert (tmp_path / "run/checkpoint.pt").read_bytes() == before
    assert not list((tmp_path / "run").glob(".sparsesr-*"))


def test_matching_weights_are_loaded(recipe, tmp_path):
    first = run(replace(recipe, steps=2), tmp_path / "x2")
    network = SMSR(replace(tiny().config, scale=3))
    missing = checkpoint.warm_start(network, str(first.checkpoint))
    assert missing == ["tail.0.weight", "tail.0.bias"]
    ema = torch.load(first.checkpoint, weights_only=True)["ema"]
    assert torch.equal(network.body[1].body.ch_mask, ema["body.1.body.ch_mask"])
    torch.save({"step": 3, "network": {}, "ema": ema}, tmp_path / "soft.pt")
    assert checkpoint.warm_start(tiny(), str(tmp_path / "soft.pt")) == []
    for wrapper in ("params_ema", "model_state_dict"):
        torch.save({wrapper: ema}, tmp_path / "wrapped.pt")
        assert checkpoint.warm_start(tiny(), str(tmp_path / "wrapped.pt")) == []
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match="none of its weights fits"):
        checkpoint.warm_start(tiny(), str(tmp_path / "other.pt"))


def test_the_average_is_exported(recipe, tmp_path):
    outcome = run(replace(recipe, steps=3, validation=""), tmp_path / "run")
    exported = read_checkpoint(outcome.checkpoint)
    stored = torch.load(outcome.checkpoint, weights_only=True)
    assert all(torch.equal(exported[name], stored["ema"][name]) for name in stored["ema"])
    assert not torch.equal(exported["head.0.weight"], stored["network"]["head.0.weight"])


def test_bf16_trains_too(recipe, tmp_path):
    plan = replace(recipe.sparsity, control="threshold", lesson_weight=10.0, lesson_fraction=0.2)
    run(replace(recipe, steps=15, precision="bf16", sparsity=plan), tmp_path / "run")
    losses = list(log_of(tmp_path / "run", "l1").values())
    assert len(losses) == 15 and losses[-1] < losses[0]


def test_learning_rates(recipe):
    def rates(schedule, **settings):
        chosen = replace(recipe, steps=100, schedule=schedule, **settings)
        return [lr_factor_at(chosen, step) for step in range(1, 101)]

    assert rates("constant", lr_warmup_fraction=0.04)[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    cosine = rates("cosine", lr_warmup_fraction=0.0)
    assert cosine[0] == 1 and cosine[50] == pytest.approx(0.5) and cosine[99] < 0.001
    halved = rates("step", lr_warmup_fraction=0.0, step_at=(0.5, 0.75))
    assert (halved[49], halved[50], halved[75]) == (1, 0.5, 0.25)
    cycle = rates("one_cycle", lr_warmup_fraction=0.1)
    assert cycle[0] < 0.15 and max(cycle) == cycle[9] == 1 and cycle[99] < 0.001


@pytest.fixture
def wsd(recipe, monkeypatch):
    """A long run by a clock on which each step takes 20 ms, however busy this machine is."""
    now_s = 0.0

    def timed(*arguments):
        nonlocal now_s
        now_s += 0.02
        return train_step(*arguments)

    monkeypatch.setattr("sparsesr.lab.train.method.train_step", timed)
    monkeypatch.setattr(Ending, "_elapsed_s", lambda self: now_s)
    return replace(
        recipe, steps=100_000, schedule="wsd", lr_decay_steps=30, lr_warmup_fraction=0.0, sparsity=OPEN
    )


def test_a_run_decays_in_time_for_a_deadline(wsd, tmp_path):
    outcome = run(wsd, tmp_path / "run", finish_within=2.4 / 60)
    assert outcome.finished and outcome.step == pytest.approx(120, abs=1)
    rates = log_of(tmp_path / "run", "learning_rate")
    decay = [rate for rate in rates.values() if rate < wsd.learning_rate]
    assert len(decay) == pytest.approx(30, abs=1) and decay == sorted(decay, reverse=True)
    assert rates[outcome.step] == pytest.approx(wsd.learning_rate / len(decay), rel=0.1)


def test_a_decay_for_a_deadline_goes_on_after_an_interruption(wsd, tmp_path):
    run(wsd, tmp_path / "run", finish_within=2.4 / 60, should_stop=StopAfter(105))
    outcome = run(wsd, tmp_path / "run", resume=True)
    assert outcome.finished and outcome.step == pytest.approx(120, abs=1)
    rates = list(log_of(tmp_path / "run", "learning_rate").values())
    assert rates[92:] == sorted(rates[92:], reverse=True) and rates[-1] < 0.1 * wsd.learning_rate


def test_masks_go_on_by_the_same_schedule_after_a_deadline_has_shortened_the_run(wsd, tmp_path):
    plan = Sparsity(target_density=0.6, control="threshold", dense_fraction=0.1, warmup_fraction=0.4)
    recipe = replace(wsd, steps=400, sparsity=plan, validation="")
    run(recipe, tmp_path / "run", finish_within=2.4 / 60, should_stop=StopAfter(105))
    run(recipe, tmp_path / "run", resume=True)
    targets = list(log_of(tmp_path / "run", "density_target").values())
    steps = [after - before for before, after in pairwise(targets[40:])]
    assert len(steps) > 70 and steps == pytest.approx([-0.4 / 160] * len(steps))


def test_a_deadline_needs_a_decay(recipe, tmp_path):
    with pytest.raises(UsageError, match="lr_decay_steps"):
        run(recipe, tmp_path / "run", finish_within=1.0)


def test_the_rate_of_wsd_is_constant_and_then_falls_to_zero():
    recipe = EnlargingRecipe("x", 100, scale=2, schedule="wsd", lr_decay_steps=20, lr_warmup_fraction=0.1)
    factors = [lr_factor_at(recipe, step) for step in range(1, 101)]
    assert factors[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert set(factors[10:81]) == {1.0}
    assert factors[80:] == pytest.approx([left / 20 for left in range(20, 0, -1)])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_optimiser_resumes_exactly(recipe, tmp_path, optimizer):
    recipe = replace(recipe, steps=8, optimizer=optimizer, sparsity=OPEN)
    whole = run(recipe, tmp_path / "whole")
    run(recipe, tmp_path / "halves", should_stop=StopAfter(4))
    halves = run(recipe, tmp_path / "halves", resume=True)
    expected, found = (torch.load(end.checkpoint, weights_only=True)["network"] for end in (whole, halves))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
