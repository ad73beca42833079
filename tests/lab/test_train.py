"""The training loop: it learns, it resumes exactly, it stops on a broken loss."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from sparsesr.errors import ModelError  # noqa: E402
from sparsesr.lab.nn.registry import NETWORKS  # noqa: E402
from sparsesr.lab.nn.smsr import SMSR, SMSRConfig  # noqa: E402
from sparsesr.lab.train.loop import train  # noqa: E402
from sparsesr.lab.train.recipe import Recipe  # noqa: E402
from training_pictures import write_pictures  # noqa: E402


def _tiny() -> SMSR:
    return SMSR(
        SMSRConfig(channels=8, modules=2, layers=2, mask_channels=4, attention_channels=2, value_range=1)
    )


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "tiny_x2", _tiny)
    write_pictures(tmp_path / "photos", 3)
    write_pictures(tmp_path / "val", 1)
    return Recipe(
        network="tiny_x2", scale=2, folders=(str(tmp_path / "photos"),), validation=str(tmp_path / "val"),
        steps=60, batch=2, lr_patch_px=16, learning_rate=5e-3, validate_every=30, save_every=20,
    )  # fmt: skip


def _quiet(line: str) -> None:
    pass


def _weights(path):
    return torch.load(path, weights_only=True)["network"]


def test_training_beats_the_first_steps(recipe, tmp_path):
    train(recipe, tmp_path / "run", report=_quiet)
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    scores = [line["psnr_y"] for line in lines if "psnr_y" in line]
    assert len(scores) == 2 and scores[-1] > 20
    assert all(0 <= line["density"] <= 1 for line in lines)


def test_resuming_gives_the_same_weights_as_one_run(recipe, tmp_path):
    whole = train(recipe, tmp_path / "whole", report=_quiet)

    class Interrupt(Exception):
        pass

    def stop_at_50(line: str) -> None:
        if line.startswith("step=50"):
            raise Interrupt

    with pytest.raises(Interrupt):
        train(recipe, tmp_path / "halves", report=stop_at_50)
    halves = train(recipe, tmp_path / "halves", report=_quiet)
    expected, found = _weights(whole), _weights(halves)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_foreign_checkpoint_is_refused(recipe, tmp_path):
    train(replace(recipe, steps=1), tmp_path / "run", report=_quiet)
    other = replace(recipe, network="smsr_s_x2")
    with pytest.raises(ModelError, match="trains tiny_x2"):
        train(other, tmp_path / "run", report=_quiet)


def test_a_broken_loss_stops_with_the_step(recipe, tmp_path, monkeypatch):
    def broken() -> SMSR:
        network = _tiny()
        with torch.no_grad():
            network.head[0].weight.fill_(float("nan"))
        return network

    monkeypatch.setitem(NETWORKS, "tiny_x2", broken)
    with pytest.raises(FloatingPointError, match="step 1"):
        train(recipe, tmp_path / "run", report=_quiet)
