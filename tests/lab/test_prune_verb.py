"""``sparsesr prune`` through the command line: from a model to a smaller one, and every kind of bad input."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from lab.pruning_runs import PRUNED, narrow
from lab.smsr_cases import small_smsr
from lab.training_runs import tiny_acnet
from sparsesr.cli.main import main
from sparsesr.lab.export.exporter import export
from sparsesr.lab.nn.registry import NETWORKS
from sparsesr.lab.nn.smsr import SMSR
from sparsesr.lab.recipes import RECIPES
from sparsesr.lab.recipes.pruned_run import recipe_of_new
from sparsesr.lab.recipes.pruning import pruning_recipe
from sparsesr.lab.sparsity.balance import Balance
from sparsesr.lab.train import step as step_module
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.modelfile.balanced_storage import balanced_weights
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.writer import write_model
from training_images import write_images

SHORT = ["steps=4", "batch=1", "lr_patch_px=16", "log_every=1", "pruning.refit=1", "pruning.events=2"]


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The name of a model file with weights to prune, beside a folder of photographs."""
    monkeypatch.setitem(NETWORKS, "narrow_x2", narrow)
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos", 2)
    written = export(narrow(), "narrow", license="MIT", check=False)
    write_model("narrow.safetensors", written.facts, written.graph, written.tensors)
    return "narrow.safetensors"


def prune(*arguments: str) -> int:
    settings = [part for setting in SHORT for part in ("--set", setting)]
    return main(["prune", *arguments, *settings, "--device", "cpu", "-j", "1"])


def test_a_model_is_pruned_resumed_and_written(model, tmp_path, capsys):
    given = [model, "photos", "--keep", "2/16", "-o", "run"]
    assert prune(*given, "--max-minutes", "0") == 0
    assert "continue with --resume" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("narrow*"))
    assert prune(*given) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert prune(*given, "--resume") == 0
    assert "10 balanced layers" in capsys.readouterr().out
    written = load("run/narrow_2of16.safetensors")
    assert written.facts.license == "MIT" and written.facts.training["pruned_from"] == "narrow"
    balanced = balanced_weights(written.graph)
    # The 1x1 convolution over both modules is one node for each of them.
    assert len(balanced) == len(PRUNED) + 1
    assert all(np.count_nonzero(written.tensors[name]) * 8 <= written.tensors[name].size for name in balanced)
    assert main(["models", "show", "run/narrow_2of16.safetensors"]) == 0
    assert "body.0.layer0" in capsys.readouterr().out


def test_a_run_is_resumed_with_its_own_model_only(model, tmp_path, capsys):
    """Beside another model, the result would get that one's name."""
    assert prune(model, "photos", "-o", "run", "--max-minutes", "0") == 0
    other = export(narrow(), "other", check=False)
    write_model("other.safetensors", other.facts, other.graph, other.tensors)
    assert prune("other.safetensors", "photos", "-o", "run", "--resume") == 2
    assert "prunes another model than other.safetensors" in capsys.readouterr().err
    write_images(tmp_path / "more", 1)
    assert prune(model, "more", "-o", "run", "--resume") == 2
    assert "was packed from" in capsys.readouterr().err


def test_a_run_goes_on_in_another_place(model, tmp_path, monkeypatch):
    assert prune(model, "photos", "-o", "run", "--max-minutes", "0") == 0
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").rename(tmp_path / "elsewhere/moved")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert prune(f"../{model}", "-o", "moved", "--resume") == 0
    assert load("moved/narrow_4of16.safetensors").facts.training["pruned_from"] == "narrow"


def test_patterns_that_bring_nothing_are_noted_or_refused(model, capsys):
    assert prune(model, "photos", "--keep", "12/16", "-o", "run", "--max-minutes", "0") == 0
    assert "note: 12/16 keeps more than half" in capsys.readouterr().err
    assert prune(model, "photos", "--keep", "1/2", "-o", "other") == 2
    assert "blocks of 2 are none of those that export finds" in capsys.readouterr().err


def test_a_checkpoint_with_mixed_channels_is_pruned_in_the_runtimes_order(model, tmp_path, capsys):
    network = small_smsr(((3, 1), (5, 2)), channels=16, layers=2, value_range=1)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "mixed.pt")
    assert prune("mixed.pt", "photos", "-o", "run") == 0
    written = load("run/mixed_4of16.safetensors")
    assert len(balanced_weights(written.graph)) == len(PRUNED) + 1
    dense = [
        node.attrs["dense_out"] for node in written.graph.nodes if node.output.endswith(("layer0", "layer1"))
    ]
    assert dense == [3, 1, 5, 2]


def test_a_pruned_model_is_pruned_further(model, tmp_path, capsys):
    assert prune(model, "photos", "--keep", "8/16", "-o", "first") == 0
    assert prune("first/narrow_8of16.safetensors", "photos", "--keep", "4/16", "-o", "second") == 0
    assert load("second/narrow_8of16_4of16.safetensors").graph.nodes
    patterns = {
        pattern.keep
        for pattern, _ in balanced_weights(load("second/narrow_8of16_4of16.safetensors").graph).values()
    }
    assert patterns == {4}


def test_a_model_is_fine_tuned_by_the_recipe_of_its_own_name(model, tmp_path, monkeypatch):
    own = EnlargingRecipe("narrow_x2", 10, scale=2, degradation="photo")
    monkeypatch.setitem(RECIPES, "narrow", lambda: own)
    settings = ("lr_patch_px=8", "batch=1")
    found = recipe_of_new(model, tmp_path / "run", Balance(4, 16), ["photos"], settings, print)
    assert found.degradation == "photo" and found.network == "narrow_x2"
    assert pruning_recipe("skim_best_x2", 2, "", Balance(4, 16), True, "photo_x2").degradation == "photo"
    other = pruning_recipe("skim_fast_x2", 2, "", Balance(4, 16), True, "photo_x2")
    assert other.degradation == "bicubic" and other.network == "skim_fast_x2"


def test_termination_saves(model, tmp_path, capsys, monkeypatch):
    set_rate = step_module.set_learning_rate

    def terminated_in_step_2(optimizer, recipe, step):
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return set_rate(optimizer, recipe, step)

    monkeypatch.setattr(step_module, "set_learning_rate", terminated_in_step_2)
    assert prune(model, "photos", "-o", "run") == 143
    assert "step 2 of 4, saved" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("narrow*"))


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["narrow.safetensors", "photos", "--keep", "0/16"], 2, "0 of 16 weights cannot be kept"),
        (["narrow.safetensors", "photos", "--keep", "17/16"], 2, "17 of 16 weights cannot be kept"),
        (["narrow.safetensors", "photos", "--keep", "some"], 2, "write 4/16"),
        (["narrow.safetensors", "photos", "--keep", "3/12"], 2, "do not divide the 16 input channels"),
        (["narrow.safetensors", "photos", "--name", "A B"], 2, "cannot be a model's name"),
        (["narrow.safetensors", "photos", "--set", "pruning.pattern=rows"], 2, "use balanced, unstructured"),
        (["narrow.safetensors", "photos", "--set", "pruning.keeps=3"], 2, "did you mean keep"),
        (["narrow.safetensors"], 3, "no training images"),
        (["narrow.safetensors", "nowhere"], 3, "no such folder"),
        (["smsr_x9", "photos"], 3, "no model"),
        (["nothing.pt", "photos"], 3, "cannot be read"),
        (["empty.pt", "photos"], 3, "holds no named weights"),
        (["nan.pt", "photos"], 3, "NaN"),
        (["acnet.safetensors", "photos"], 3, "export merges its weights"),
    ],
)
def test_errors_are_one_line(model, tmp_path, capsys, arguments, status, says):
    torch.save({"epoch": 3}, "empty.pt")
    broken = narrow().state_dict()
    broken["head.2.weight"] = torch.full_like(broken["head.2.weight"], float("nan"))
    torch.save(broken, "nan.pt")
    acnet = export(tiny_acnet(2), "acnet", check=False)
    write_model("acnet.safetensors", acnet.facts, acnet.graph, acnet.tensors)
    assert prune(*arguments, "-o", "run") == status
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and says in errors[0]
    assert not (tmp_path / "run/checkpoint.pt").exists()


def test_a_trained_network_is_untouched_by_a_failure(model, tmp_path):
    before = (tmp_path / model).read_bytes()
    assert prune(model, "nowhere", "-o", "run") == 3
    assert (tmp_path / model).read_bytes() == before
    assert isinstance(narrow(), SMSR)
