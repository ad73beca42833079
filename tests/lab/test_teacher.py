"""Teachers: their results are the target of a training or a search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from graphs import plain
from sparsesr.cli.main import main
from sparsesr.errors import UsageError
from sparsesr.lab.nn.acnet import ACNet, ACNetConfig
from sparsesr.lab.nn.skim import Skim, SkimConfig
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.feeding import open_feed
from sparsesr.modelfile.writer import write_model
from sparsesr.runtime.session import Session
from training_images import write_images

CPU = torch.device("cpu")


@pytest.fixture
def recipe(tmp_path):
    write_images(tmp_path / "photos", 2)
    return EnlargingRecipe(
        network="skim_fast_dense_x2", scale=2, steps=2, folders=(str(tmp_path / "photos"),), batch=3,
        lr_patch_px=12,
    )  # fmt: skip


def batch_of(recipe, tmp_path):
    feed = open_feed(recipe, tmp_path, (0, 1), CPU, lambda line: None)
    try:
        return feed.at(1)
    finally:
        feed.close()


def test_a_model_file_teaches(recipe, tmp_path):
    model = plain()
    write_model(tmp_path / "teacher.safetensors", model.facts, model.graph, model.tensors)
    lr, target = batch_of(replace(recipe, teacher=str(tmp_path / "teacher.safetensors")), tmp_path)
    same_lr, hr = batch_of(recipe, tmp_path)
    assert torch.equal(lr, same_lr) and target.shape == hr.shape and not target.requires_grad
    session = Session(model, 1)
    for patch, wanted in zip(lr, target, strict=True):
        native = session.run(np.ascontiguousarray(patch.permute(1, 2, 0).numpy())).image
        np.testing.assert_allclose(wanted.permute(1, 2, 0).numpy(), native, rtol=0, atol=1e-4)


def test_a_checkpoint_teaches(recipe, tmp_path):
    torch.manual_seed(0)
    network = Skim(SkimConfig(channels=16, blocks=1, mask_channels=0)).eval()
    torch.save({"ema": network.state_dict()}, tmp_path / "teacher.pt")
    lr, target = batch_of(replace(recipe, teacher=str(tmp_path / "teacher.pt")), tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(target, network(lr))


@pytest.mark.parametrize("scale", [2, 3])
def test_a_network_of_several_scales_teaches_each(recipe, tmp_path, scale):
    network = ACNet(ACNetConfig((2, 3), channels=6, layers=3)).eval()
    torch.save({"ema": network.state_dict()}, tmp_path / "teacher.pt")
    lr, target = batch_of(replace(recipe, scale=scale, teacher=str(tmp_path / "teacher.pt")), tmp_path)
    network.active_scale = scale
    with torch.no_grad():
        torch.testing.assert_close(target, network(lr))


def test_teachers_that_do_not_fit(recipe, tmp_path):
    torch.save({"ema": Skim(SkimConfig(scale=3, channels=16, blocks=1)).state_dict()}, tmp_path / "x3.pt")
    with pytest.raises(UsageError, match="enlarges x3, the recipe x2"):
        batch_of(replace(recipe, teacher=str(tmp_path / "x3.pt")), tmp_path)
    with pytest.raises(UsageError, match="a teacher has one scale"):
        replace(recipe, teacher="x3.pt", scales=(2, 3))


def test_a_search_with_a_teacher(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"ema": Skim(SkimConfig(channels=16, blocks=1, mask_channels=0)).state_dict()}, "teacher.pt")
    settings = ("steps=2", "batch=2", "lr_patch_px=12", "teacher=teacher.pt", "search.objective=macs",
                "space.most_cells=2", "space.channels=16", "space.widths=16,32")  # fmt: skip
    changes = [part for setting in settings for part in ("--set", setting)]
    assert (
        main(["search", "frontier_small_x2", "photos", *changes, "-o", "run", "-j", "1", "--device", "cpu"])
        == 0
    )
    assert (tmp_path / "run" / "derived.safetensors").exists()
