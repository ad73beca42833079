"""Whole searches: one step, resuming, results, and the command."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace

import pytest
import torch

from graphs import plain
from lab.search.spaces import SMALL_RESIDUAL
from sparsesr.cli.main import main
from sparsesr.errors import InputError, UsageError
from sparsesr.lab.data.pack import PackedPairs
from sparsesr.lab.nn.genotype import read_genotype
from sparsesr.lab.recipes import SEARCHES, find_search_recipe
from sparsesr.lab.search.architecture import Mixture
from sparsesr.lab.search.method import SearchMethod, without_gradients
from sparsesr.lab.search.order import ORDERS
from sparsesr.lab.search.prices import Counted
from sparsesr.lab.search.recipe import ORDER_LOSSES, Search, SearchRecipe
from sparsesr.lab.search.search import derive, search
from sparsesr.lab.search.supernet import Supernet
from sparsesr.lab.train.ending import Ending
from sparsesr.lab.train.enlarging import Enlarging
from sparsesr.lab.train.loop import CHECKPOINT
from sparsesr.lab.train.optimisation import make_average
from sparsesr.lab.train.processes import start_fabric
from sparsesr.lab.train.step import Trainee
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.writer import write_model
from training_images import write_images


@pytest.fixture
def recipe(tmp_path):
    write_images(tmp_path / "photos", 4)
    write_images(tmp_path / "val", 1)
    return SearchRecipe(
        network="small",
        scale=2,
        steps=8,
        folders=(str(tmp_path / "photos"),),
        validation=str(tmp_path / "val"),
        batch=2,
        lr_patch_px=12,
        log_every=1,
        validate_every=8,
        space=SMALL_RESIDUAL,
        search=Search(objective="macs", cost_weight=0.1, learning_rate=0.02),
    )


def run(recipe, folder, **options):
    return search(recipe, folder, device="cpu", threads=1, report=lambda line: None, **options)


def states_of(folder):
    stored = torch.load(folder / CHECKPOINT, weights_only=True)
    return {**stored["network"], **{f"ema.{name}": value for name, value in stored["ema"].items()}}


def test_a_search_in_two_parts_is_the_search_in_one(recipe, tmp_path):
    whole = run(recipe, tmp_path / "whole")
    first = run(recipe, tmp_path / "parts", ending=Ending(max_minutes=0))
    assert first.run.step == 1 and first.genotype is None
    with pytest.raises(UsageError, match="already holds a run"):
        run(recipe, tmp_path / "parts")
    second = run(recipe, tmp_path / "parts", resume=True)
    assert second.genotype == whole.genotype
    theirs = states_of(tmp_path / "parts")
    for name, value in states_of(tmp_path / "whole").items():
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=0, msg=name)


def test_results_agree_with_the_supernet(recipe, tmp_path, capsys):
    outcome = run(recipe, tmp_path / "run")
    folder = tmp_path / "run"
    assert read_genotype(folder / "genotype.json") == outcome.genotype
    supernet = Supernet(recipe.space, 2)
    supernet.load_state_dict(torch.load(folder / CHECKPOINT, weights_only=True)["ema"])
    supernet.architecture.radius = 1.0
    derived, image = derive(recipe, folder / CHECKPOINT), torch.rand(1, 3, 12, 10)
    torch.testing.assert_close(derived(image), supernet.eval()(image), rtol=0, atol=1e-5)
    stored = torch.load(folder / "derived.pt", weights_only=True)["ema"]
    assert stored.keys() == derived.state_dict().keys()
    assert load(str(folder / "derived.safetensors")).facts.parameters == outcome.prices["parameters"]
    capsys.readouterr()
    assert main(["models", "show", str(folder / "derived.safetensors")]) == 0
    assert textwrap.indent(outcome.genotype.drawn(), "  ") in capsys.readouterr().out
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    shares = [line["active_share"] for line in lines if "active_share" in line]
    assert shares == sorted(shares, reverse=True) and shares[-1] < shares[0]
    assert {"radius", "macs", "nodes", "l1", "learning_rate"} <= lines[0].keys() and "psnr_y" in lines[-1]


def test_the_found_network_is_trained_further_and_exported(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(recipe, tmp_path / "run")
    short = ["steps=2", "lr_decay_steps=1", "batch=1", "lr_patch_px=12", "log_every=1"]
    short = [part for setting in short for part in ("--set", setting)]
    found = ["--set", "network=run/genotype.json", "--set", "init_from=run/derived.pt", "-o", "found"]
    assert main(["train", "skim_fast_dense_x2", "photos", *found, *short, "--device", "cpu", "-j", "1"]) == 0
    assert "not found there: none" in capsys.readouterr().err
    assert main(["export", "found/checkpoint.pt", "-o", "found.safetensors"]) == 0
    assert load("found.safetensors").facts.training["genotype"]["path"] == ["cell"] * len(
        read_genotype(tmp_path / "run/genotype.json").cells
    )


def test_a_step_trains_both_on_their_own_batch(recipe):
    torch.manual_seed(0)
    network = Supernet(recipe.space, 2).train()
    fabric = start_fabric(recipe, "cpu")
    method = SearchMethod(Counted("macs", "residual", 16, 2))
    average = make_average(recipe, network)
    policy = method.policy(recipe, network, average.module)
    wrapped, optimizer = fabric.setup(network, method.optimizer(recipe, network))
    held = {id(value) for group in optimizer.param_groups for value in group["params"]}
    assert not held & {id(value) for value in network.architecture.parameters()}
    trainee = Trainee(recipe, Enlarging(recipe), fabric, network, wrapped, optimizer, average, policy)
    batch = torch.rand(2, 3, 12, 12), torch.rand(2, 3, 24, 24)
    weights = [value.detach().clone() for value in network.weights()]
    policy.step(trainee, 1, (batch[0], batch[1].repeat(3, 1, 1, 1)))
    assert all(torch.equal(old, new) for old, new in zip(weights, network.weights(), strict=True))
    architecture = {name: value.clone() for name, value in network.architecture.state_dict().items()}
    method.step(trainee, 2, (batch, batch))
    assert not all(torch.equal(old, new) for old, new in zip(weights, network.weights(), strict=True))
    for name, value in network.architecture.state_dict().items():
        assert not torch.equal(value, architecture[name]), name
        assert torch.equal(average.module.architecture.state_dict()[name], value), name


def test_prices_are_on_the_device_that_the_network_moves_to(recipe):
    """A run makes the policy before it moves the network; ``meta`` stands for a GPU."""
    network, average = Supernet(recipe.space, 2), Supernet(recipe.space, 2)
    policy = SearchMethod(Counted("macs", "residual", 16, 2)).policy(recipe, network, average)
    mixture = network.architecture.mixture(0.0)
    network.to("meta")
    moved = Mixture(mixture.nodes_N.to("meta"), [weights.to("meta") for weights in mixture.operations])
    assert policy.cost.expected(network.architecture, moved).device.type == "meta"


def test_both_halves_share_a_teacher(recipe, tmp_path, monkeypatch):
    model = plain()
    write_model(tmp_path / "teacher.safetensors", model.facts, model.graph, model.tensors)
    opened = []
    monkeypatch.setattr(
        "sparsesr.lab.train.teacher.load", lambda source: opened.append(source) or load(source)
    )
    taught = replace(recipe, teacher=str(tmp_path / "teacher.safetensors"))
    method, device = SearchMethod(Counted("macs", "residual", 16, 2)), torch.device("cpu")
    feeds = [method.open_feed(Enlarging(r), tmp_path, (0, 1), device, print) for r in (recipe, taught)]
    try:
        plain_halves, halves = (feed.at(1) for feed in feeds)
    finally:
        for feed in feeds:
            feed.close()
    assert len(opened) == 1
    for (lr, hr), (same_lr, target) in zip(plain_halves, halves, strict=True):
        assert torch.equal(lr, same_lr) and target.shape == hr.shape and not torch.equal(target, hr)


def test_frozen_parameters_stay_frozen():
    free, frozen = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1), requires_grad=False)
    with without_gradients([free, frozen]):
        assert not free.requires_grad
    assert free.requires_grad and not frozen.requires_grad


def test_the_cost_leads_the_search(recipe, tmp_path):
    """With nothing but the cost to minimise, the cheapest network wins; with none, it need not."""
    cheap = replace(recipe, steps=60, search=replace(recipe.search, cost_weight=100.0, learning_rate=0.1))
    found = run(replace(cheap, validation=""), tmp_path / "cheap").genotype
    assert len(found.cells) == recipe.space.fixed_cells
    assert all(cell.widths == (16,) and cell.operations == ("relu1x1", "linear1x1") for cell in found.cells)


def test_a_target_is_held_from_below_too(recipe, tmp_path):
    """With nothing but a target out of reach, the most expensive network wins."""
    settings = replace(recipe.search, cost_weight=100.0, cost_target=1e6, learning_rate=0.1)
    found = run(replace(recipe, steps=60, search=settings, validation=""), tmp_path / "large").genotype
    assert len(found.cells) == recipe.space.most_cells
    assert all(cell.widths == (max(recipe.space.widths),) for cell in found.cells)


def test_halves_of_the_images_are_disjoint(recipe, tmp_path):
    run(replace(recipe, steps=1), tmp_path / "run")
    pairs = PackedPairs(tmp_path / "run" / "packed_x2.bin")
    halves = [[pair.name for pair in pairs.part(half, 2).pairs] for half in (0, 1)]
    assert [name for half in halves for name in half] == [pair.name for pair in pairs.pairs] and all(halves)
    with pytest.raises(InputError, match="give at least 9 images"):
        pairs.part(0, 9)


@pytest.mark.parametrize("name", SEARCHES)
def test_recipes_describe_possible_searches(name):
    recipe = find_search_recipe(name)
    assert isinstance(recipe, SearchRecipe)
    assert recipe.space.legal_nodes(recipe.scale)


def test_order_losses_have_names():
    assert set(ORDERS) == set(ORDER_LOSSES)


def test_recipes_are_listed_and_shown(capsys):
    assert main(["search", "--list"]) == 0
    assert capsys.readouterr().out.split() == list(SEARCHES)
    assert (
        main(
            [
                "search",
                "frontier_x2",
                "--list",
                "--set",
                "space.widths=16,64",
                "--set",
                "search.order=telescoped",
            ]
        )
        == 0
    )
    shown = json.loads(capsys.readouterr().out)
    assert shown["space"]["widths"] == [16, 64] and shown["search"]["order"] == "telescoped"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 2, "search --list"),
        (["trilevel_c"], 2, "did you mean trilevel_b"),
        (["trilevel_b", "--set", "space.widths=24,30"], 2, "--set space.widths: [30] would leave"),
        (["trilevel_b", "--set", "space.family=trilevel_a", "--set", "scale=3"], 2, "no path reaches x3"),
        (["trilevel_b", "--set", "search.objective=watts"], 2, "--set search.objective"),
        (["trilevel_b", "--set", "scales=2,4"], 2, "cannot be used in a search"),
        (["trilevel_b", "--set", "pruning.keep=2"], 2, "pruning cannot be used in a search"),
        (
            ["frontier_x2", "--set", "search.latency_table=none.json"],
            3,
            "measure it again with --measure-latency",
        ),
        (["trilevel_b", "nowhere"], 3, "no such folder"),
    ],
)
def test_errors_are_one_line(tmp_path, monkeypatch, capsys, arguments, status, says):
    monkeypatch.chdir(tmp_path)
    assert main(["search", *arguments, "-j", "1", "-o", "run"]) == status
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and says in errors[0]
