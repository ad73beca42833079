"""``sparsesr train`` through the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from lab.training_runs import tiny
from sparsesr.cli.main import main
from sparsesr.lab.export.restore import restore_state
from sparsesr.lab.nn.registry import NETWORKS
from sparsesr.lab.recipes import RECIPES
from sparsesr.lab.train import step as step_module
from sparsesr.modelfile.catalogue import load
from training_images import write_images

RECIPE = """
from pathlib import Path
from lab.training_runs import tiny_recipe
def mine():
    return tiny_recipe(Path(__file__).parent)
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "tiny_x2", tiny)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(RECIPE)
    return "mine.py:mine"


def test_recipes_are_listed_and_shown(capsys):
    assert main(["train", "--list"]) == 0
    assert capsys.readouterr().out.split() == list(RECIPES)
    assert main(["train", "smsr_x2", "a", "b", "--list", "--set", "sparsity.target_density=0.4"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["folders"] == ["a", "b"] and shown["sparsity"]["target_density"] == 0.4


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 2, "train --list"),
        (["smsr_x9"], 2, "did you mean"),
        (["mine.py:mine", "--set", "stepz=3"], 2, "did you mean steps"),
        (["mine.py:mine", "--device", "tpu"], 2, "use auto, cpu"),
        (["mine.py:mine", "nowhere"], 3, "no such folder"),
        (["mine.py:mine", "empty"], 3, "no usable training image"),
        (["mine.py:mine", "--set", "lr_patch_px=64"], 3, "smaller than a patch of 64"),
        (["mine.py:mine", "--validation", "empty"], 3, "no folders SET/HR and no images"),
        (["mine.py:mine", "--set", "network=nothing"], 2, "no network named"),
        (["mine.py:mine", "--set", "init_from=nothing.pt"], 3, "no such checkpoint"),
    ],
)
def test_errors_are_one_line(recipe, tmp_path, capsys, arguments, status, says):
    (tmp_path / "empty").mkdir()
    assert main(["train", *arguments, "-o", "run", "-j", "1"]) == status
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and says in errors[0]
    assert not (tmp_path / "run/checkpoint.pt").exists()


def test_a_run_in_two_parts(recipe, tmp_path, capsys):
    write_images(tmp_path / "more", 2)
    given = ["train", recipe, "more", "-o", "run", "-j", "1", "--set", "steps=6", "--device", "cpu"]
    assert main([*given, "--max-minutes", "0"]) == 0
    assert "continue with --resume" in capsys.readouterr().err
    assert main(given) == 2
    assert main([*given, "--resume"]) == 0
    assert "step 6 of 6, done" in capsys.readouterr().err


def test_termination_saves(recipe, tmp_path, capsys, monkeypatch):
    set_rate = step_module.set_learning_rate

    def terminated_in_step_4(optimizer, recipe, step):
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return set_rate(optimizer, recipe, step)

    monkeypatch.setattr(step_module, "set_learning_rate", terminated_in_step_4)
    assert main(["train", recipe, "-o", "run", "--device", "cpu", "-j", "1"]) == 128 + signal.SIGTERM
    assert "step 4 of 60, saved" in capsys.readouterr().err


def fine_tuning_commands() -> list[list[str]]:
    """The commands of the section of docs/training.md, without ``sparsesr``."""
    text = (Path(__file__).parents[2] / "docs/training.md").read_text(encoding="utf-8")
    section = text.split("### Fine-tuning a bundled model", 1)[1].split("\n## ", 1)[0]
    commands = re.findall(r"^    sparsesr ((?:.*\\\n)*.*)$", section, re.MULTILINE)
    return [shlex.split(command.replace("\\\n", " ")) for command in commands]


def test_a_bundled_model_is_fine_tuned_as_documented(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "MY_PHOTOS", 2)
    write_images(tmp_path / "new", 1)
    train, export, upscale = fine_tuning_commands()
    short = ["--set", "steps=2", "--set", "batch=1", "--set", "lr_patch_px=16", "--set", "log_every=1"]
    assert main([*train, *short, "--device", "cpu", "-j", "1"]) == 0
    assert "not found there: none" in capsys.readouterr().err
    bundled = restore_state(load("smsr_s_x2"))
    tuned = torch.load(tmp_path / "runs/mine/checkpoint.pt", weights_only=True)["network"]
    for name, value in bundled.items():  # weights and masks are kept
        torch.testing.assert_close(tuned[name], value, rtol=0.2, atol=0.05)
    assert main(export) == 0
    assert main([*[str(tmp_path / "new/0.png") if part == "photo.jpg" else part for part in upscale]]) == 0
