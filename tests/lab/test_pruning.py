"""Pruning in the training loop: exact zeros, balanced from the last event on, and the same after resuming."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lab.pruning_runs import PRUNED, narrow, narrow_recipe, run  # noqa: E402
from lab.smsr_cases import small_smsr  # noqa: E402
from sparsesr.errors import ModelError, UsageError  # noqa: E402
from sparsesr.lab.export.exporter import export  # noqa: E402
from sparsesr.lab.nn.layers.sparse_mask import MaskedConvolutions  # noqa: E402
from sparsesr.lab.nn.registry import NETWORKS, create  # noqa: E402
from sparsesr.lab.sparsity.balance import Balance  # noqa: E402
from sparsesr.lab.sparsity.balanced import balanced_mask  # noqa: E402
from sparsesr.lab.train import step as step_module  # noqa: E402
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe  # noqa: E402
from sparsesr.lab.train.overrides import with_overrides  # noqa: E402
from sparsesr.lab.train.prunable import prunable_weights  # noqa: E402
from sparsesr.lab.train.pruning import GradualPruning, Surroundings, pruning_events  # noqa: E402
from sparsesr.lab.train.recipe import Pruning, Sparsity  # noqa: E402
from sparsesr.lab.train.refit import gram_matrices, refitted  # noqa: E402
from sparsesr.modelfile.balanced import detect  # noqa: E402


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(NETWORKS, "narrow_x2", narrow)


def stored(outcome):
    return torch.load(outcome.checkpoint, weights_only=True)


def most_kept(weight) -> int:
    """Largest number of nonzero weights in a block of 16, by the model file's own count."""
    return detect(weight.numpy(), 16)


class Watch:
    """Records the weights after every step of a run."""

    def __init__(self, monkeypatch) -> None:
        self.steps = []
        train_step = step_module.train_step

        def watched(trainee, step, batch):
            losses = train_step(trainee, step, batch)
            self.steps.append({name: value.clone() for name, value in trainee.plain.state_dict().items()})
            self.trainee = trainee
            return losses

        monkeypatch.setattr("sparsesr.lab.train.method.train_step", watched)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_pruned_weights_stay_exact_zeros(tmp_path, monkeypatch, optimizer):
    watch = Watch(monkeypatch)
    recipe = replace(narrow_recipe(tmp_path), optimizer=optimizer, weight_decay=0.1)
    state = stored(run(recipe, tmp_path / "run"))
    for name in PRUNED:
        zero = [after[f"{name}.weight"] == 0 for after in watch.steps]
        assert all((before & ~after).sum() == 0 for before, after in pairwise(zero))
        last = watch.steps[-1][f"{name}.weight"]
        assert not torch.signbit(last[last == 0]).any()
        kept = [most_kept(after[f"{name}.weight"]) for after in watch.steps]
        assert kept[0] > 4 and kept[-1] == 4 and kept == sorted(kept, reverse=True)
        assert most_kept(state["ema"][f"{name}.weight"]) == 4
        weight = watch.trainee.plain.get_submodule(name).weight
        momenta = [m for m in watch.trainee.pruner.around.optimizer.state[weight].values() if m.dim() == 4]
        assert momenta and all((m[weight == 0] == 0).all() for m in momenta)
    for name in ("head.0.weight", "tail.0.weight", "body.0.spa_mask.0.weight"):
        assert (state["network"][name] != 0).all()
    figures = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["weights_kept"] for line in figures if "weights_kept" in line][-1] == 0.25


@pytest.mark.parametrize("settings", [{}, {"fraction": 0.0}, {"method": "straight_through"}])
def test_resuming_gives_the_same_weights(tmp_path, settings):
    recipe = narrow_recipe(tmp_path, **settings)
    whole = stored(run(recipe, tmp_path / "whole"))
    looks = iter([False] * 4 + [True])
    run(recipe, tmp_path / "halves", should_stop=lambda: next(looks))
    halves = stored(run(recipe, tmp_path / "halves", resume=True))
    for kind in ("network", "ema"):
        assert all(torch.equal(whole[kind][name], halves[kind][name]) for name in whole[kind])
    assert all(most_kept(halves["ema"][f"{name}.weight"]) <= 4 for name in PRUNED)


def test_a_run_that_is_shortened_still_reaches_its_pattern(tmp_path):
    """All events of the shorter run would have come before the step that it is resumed at."""
    recipe = replace(narrow_recipe(tmp_path), steps=24)
    looks = iter([False] * 7 + [True])
    state = stored(run(recipe, tmp_path / "run", should_stop=lambda: next(looks)))
    assert most_kept(state["ema"]["head.2.weight"]) > 4
    state = stored(run(replace(recipe, steps=12), tmp_path / "run", resume=True))
    assert {most_kept(state["ema"][f"{name}.weight"]) for name in PRUNED} == {4}


def test_a_restored_choice_is_on_the_device_of_the_weights():
    """A run makes the pruner before it moves the network; ``meta`` stands for a GPU."""
    around = Surroundings(narrow(), narrow(), torch.optim.SGD(narrow().parameters()), lambda step: None)
    pruner = GradualPruning(around, Pruning(), 10)
    state = pruner.state()
    pruner.weights = {name: weight.to("meta") for name, weight in pruner.weights.items()}
    pruner.restore(state)
    assert {dropped.device.type for dropped in pruner.dropped.values()} == {"meta"}


def test_straight_through_trains_hidden_weights_until_the_choice_is_final(tmp_path, monkeypatch):
    watch = Watch(monkeypatch)
    recipe = narrow_recipe(tmp_path, method="straight_through", fraction=0.5, decay=0.1)
    run(recipe, tmp_path / "run")
    first, middle, last = (watch.steps[index]["head.2.weight"] for index in (0, 5, -1))
    assert (first != 0).all() and (middle != 0).all() and not torch.equal(first, middle)
    assert most_kept(last) == 4
    averages = watch.trainee.average.module.state_dict()["head.2.weight"]
    assert most_kept(averages) == 4


def test_masks_are_trained_and_channel_masks_are_not(tmp_path):
    state = stored(run(narrow_recipe(tmp_path), tmp_path / "run"))["network"]
    fresh = create("narrow_x2").state_dict()
    assert not torch.equal(state["body.0.spa_mask.3.weight"], fresh["body.0.spa_mask.3.weight"])
    torch.testing.assert_close(state["body.0.body.ch_mask"], fresh["body.0.body.ch_mask"])


# --- the events ---


def test_events_rise_to_the_final_pattern():
    found = pruning_events(Pruning(keep=2, events=10, fraction=0.6), 1000)
    assert list(found) == [1, 61, 121, 181, 241, 301, 361, 421, 481, 541]
    keeps = [balance.keep for balances in found.values() for balance in balances]
    assert keeps[0] == 12 and keeps[-1] == 2 and keeps == sorted(keeps, reverse=True)
    assert list(pruning_events(Pruning(fraction=0.0), 1000)) == [1]
    assert pruning_events(Pruning(), 1)[1][-1] == Balance(4, 16)


# --- the refit ---


def test_the_refit_is_the_least_squares_solution():
    generator = torch.Generator().manual_seed(8)
    layer = torch.nn.Conv2d(16, 3, 3, padding=1, bias=False)
    images = torch.randn(2, 16, 12, 10, generator=generator)
    weight = torch.randn(3, 16, 3, 3, generator=generator)
    mask = torch.rand(3, 16, 3, 3, generator=generator) < 0.3
    network = torch.nn.Sequential(layer)
    grams = gram_matrices(network, {"0": weight}, lambda: network(images))
    found = refitted(weight, mask, grams["0"])
    padded = np.pad(images.double().numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    columns = np.stack(
        [
            padded[b, :, y : y + 3, x : x + 3].reshape(-1)
            for b in range(2)
            for y in range(12)
            for x in range(10)
        ]
    )
    for row in range(3):
        kept = mask[row].flatten().numpy()
        wanted = columns @ weight[row].flatten().double().numpy()
        best = np.linalg.lstsq(columns[:, kept], wanted, rcond=None)[0]
        np.testing.assert_allclose(found[row].flatten().numpy()[kept], best, atol=2e-2)
        assert (found[row].flatten().numpy()[~kept] == 0).all()


def test_pixels_of_large_batches_are_drawn_evenly():
    """A grid over the batch would hit the first of 64 columns, where one tap reads padding, in every fourth pixel."""
    layer = torch.nn.Conv2d(1, 1, 3, padding=1)
    ones = torch.ones(16, 1, 64, 64)
    gram = gram_matrices(torch.nn.Sequential(layer), {"0": layer.weight}, lambda: layer(ones))["0"]
    pixels = float(gram[4, 4])
    assert pixels == 4096
    for tap in (3, 5, 1, 7):  # left, right, above, below
        assert float(gram[tap, tap]) / pixels == pytest.approx(63 / 64, abs=0.01)


def test_the_refit_keeps_outputs_closer_than_dropping_alone(tmp_path):
    def error(refit: int) -> float:
        recipe = replace(narrow_recipe(tmp_path, refit=refit, fraction=0.0), steps=1, learning_rate=1e-12)
        state = stored(run(recipe, tmp_path / f"refit{refit}"))["network"]
        before, after = create("narrow_x2").eval(), create("narrow_x2").eval()
        after.load_state_dict(state)
        image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(9))
        with torch.no_grad():
            return float((before.head(image) - after.head(image)).square().mean())

    assert error(4) < 0.7 * error(0)


@pytest.mark.parametrize("dense", [(0, 0, 0), (5, 3, 2)])
def test_masked_layers_are_observed_with_and_without_dense_channels(dense):
    torch.manual_seed(3)
    unit = MaskedConvolutions(16, 3).eval()
    unit.fix_dense(dense)
    feat, mask = torch.rand(1, 16, 12, 10), (torch.rand(1, 1, 12, 10) < 0.5).float()
    read = []
    hook = unit.collect.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    grams = gram_matrices(
        unit, dict.fromkeys(("body.0", "body.1", "body.2")), lambda: unit(feat, mask, unit.dense_shares_CL(1))
    )
    hook.remove()
    for name, image in zip(sorted(grams), [feat, *read[0].split(16, dim=1)[:2]], strict=True):
        columns = torch.nn.functional.unfold(image, 3, padding=1)[0].double()
        torch.testing.assert_close(grams[name], columns @ columns.T, rtol=1e-4, atol=1e-4)
        assert grams[name].any()


def test_every_pruned_layer_is_refitted():
    network, image = narrow().eval(), torch.rand(1, 3, 16, 16)
    weights = prunable_weights(network, Pruning())
    assert gram_matrices(network, weights, lambda: network(image)).keys() == weights.keys()


def test_a_dead_input_does_not_break_the_refit():
    gram = torch.zeros(16, 16, dtype=torch.float64)
    weight, mask = torch.ones(2, 16, 1, 1), torch.zeros(2, 16, 1, 1, dtype=torch.bool)
    mask[:, :4] = True
    assert refitted(weight, mask, gram).isfinite().all()
    assert refitted(weight, mask, torch.full_like(gram, float("nan"))).equal(weight * mask)


# --- which layers, and what is refused ---


def test_inner_layers_are_pruned_and_the_edges_on_request():
    assert list(prunable_weights(narrow(), Pruning())) == PRUNED
    more = prunable_weights(narrow(), Pruning(first_and_last=True))
    assert set(more) - set(PRUNED) == {"head.0", "tail.0"}


def test_what_cannot_be_pruned_is_refused():
    with pytest.raises(UsageError, match=r"16 input channels .*use blocks of 4 or 8 or 16$"):
        prunable_weights(narrow(), Pruning(keep=3, block=12))
    with pytest.raises(UsageError, match="at least 16 channels"):
        prunable_weights(small_smsr(), Pruning())
    with pytest.raises(UsageError, match="freeze_fraction=0"):
        EnlargingRecipe("narrow_x2", 10, scale=2, sparsity=Sparsity(), pruning=Pruning())
    with pytest.raises(UsageError, match="cannot be kept"):
        with_overrides(EnlargingRecipe("narrow_x2", 10, scale=2), ["pruning.keep=0"])


def test_channels_in_another_order_than_the_runtimes_are_refused():
    network = small_smsr(((3, 1), (5, 2)), channels=16, layers=2)
    with pytest.raises(UsageError, match="channel order"):
        prunable_weights(network, Pruning())
    for unit, counts in zip(network.mask_units(), ((3, 1), (5, 2)), strict=True):
        unit.body.fix_dense(counts)
    assert prunable_weights(network, Pruning())


def test_a_checkpoint_of_another_pattern_is_refused(tmp_path):
    recipe = narrow_recipe(tmp_path)
    run(replace(recipe, steps=1), tmp_path / "run")
    with pytest.raises(ModelError, match=r"pruning\.keep 4 -> 8"):
        run(replace(recipe, pruning=replace(recipe.pruning, keep=8)), tmp_path / "run", resume=True)
    with pytest.raises(ModelError, match="another recipe"):
        run(replace(recipe, pruning=None), tmp_path / "run", resume=True)


def test_blocks_are_those_of_the_runtime_with_dense_channels(tmp_path):
    """Trap 5: masks are chosen in the layout that is multiplied, not in that of the checkpoint."""
    network = small_smsr(((3, 1), (5, 2)), channels=16, layers=2)
    for unit, counts in zip(network.mask_units(), ((3, 1), (5, 2)), strict=True):
        unit.body.fix_dense(counts)
    for weight in prunable_weights(network, Pruning()).values():
        with torch.no_grad():
            weight.mul_(balanced_mask(weight, Balance(4, 16)))
    model = export(network, "pruned", check=False)
    patterns = {
        node.output: node.attrs.get("balanced") for node in model.graph.nodes if "weight" in node.weights
    }
    assert patterns["body.0.layer1"] == patterns["body.0.collect"] == [4, 16]
