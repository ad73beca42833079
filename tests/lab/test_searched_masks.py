"""Searched networks with masks: what a mask does, training by a recipe, export and native runs."""

from __future__ import annotations

import json
import re

import pytest

pytest.importorskip("torch")

import numpy as np
import torch

from runtime.random_graphs import random_image
from sparsesr.cli.main import main
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.parity import check_parity
from sparsesr.lab.nn.genotype import CELL, UP, Cell, Genotype, genotype_from_json
from sparsesr.lab.nn.registry import create
from sparsesr.lab.nn.searched import Searched
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.session import Session
from training_images import write_images

RESIDUAL = Genotype(
    "residual",
    2,
    16,
    (CELL, CELL, CELL),
    (
        Cell(("relu3x3", "linear3x3"), (32,)),
        Cell(("relu1x1", "linear3x3"), (16,)),
        Cell(("relu3x3", "linear1x1"), (16,)),
    ),
    mask_channels=8,
)
CELLS = (Cell(("skip", "conv3x3", "residual"), (24, 16)), Cell(("residual", "dwsblock", "conv3x3"), (16, 24)))
TRILEVEL_B = Genotype("trilevel_b", 4, 16, (CELL, UP, CELL), CELLS, mask_channels=8)
TRILEVEL_A = Genotype("trilevel_a", 2, 16, (CELL, UP, CELL), CELLS, mask_channels=8)
_SETTINGS = ("steps=12", "lr_decay_steps=1", "batch=2", "lr_patch_px=16", "log_every=4")
_SHORT = [*(part for setting in _SETTINGS for part in ("--set", setting)), "--device", "cpu", "-j", "1"]
GENOTYPES = pytest.mark.parametrize("genotype", [RESIDUAL, TRILEVEL_B, TRILEVEL_A], ids=lambda g: g.family)


def lively(genotype: Genotype) -> Searched:
    """A network with random weights, whose mask splits random images."""
    torch.manual_seed(3)
    network = Searched(genotype).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:  # not the mean colour
                parameter.mul_(1.5).add_(0.02 * torch.randn_like(parameter))
        image = torch.from_numpy(random_image(24, 20)).permute(2, 0, 1)[None]
        network(image)
        network.mask.shift_gap(-network.mask.last_gap_B1HW.median())
    return network


@GENOTYPES
def test_masked_networks_run_natively(genotype):
    network = lively(genotype)
    model = export(network, "masked", check=False)
    images = [random_image(24, 20), random_image(18, 22, seed=5)]
    report = check_parity(network, model, images)
    assert report.max_abs_same_masks <= 1e-4
    result = Session(model, 2).run(images[0])
    assert 0.2 < result.stats.density < 0.8
    masked = [node for node in model.graph.nodes if node.op == "masked_conv2d"]
    kernels = [node.attrs["kernel"] for node in masked]
    # Family A's second cell lies behind an enlarging block, where the mask does not reach.
    assert len(masked) == {"residual": 6, "trilevel_b": 7, "trilevel_a": 4}[genotype.family]
    assert kernels.count(1) == {"residual": 2, "trilevel_b": 1, "trilevel_a": 1}[genotype.family]


@GENOTYPES
def test_inactive_pixels_are_not_computed(genotype):
    """With no active pixel, the weights of masked convolutions do not matter; with all active, the mask does not."""
    network, image = lively(genotype), torch.rand(1, 3, 12, 10)
    opened = Searched(genotype).eval()
    opened.load_state_dict(network.state_dict())
    opened.open_masks()
    with torch.no_grad():
        network.mask.shift_gap(torch.tensor(1e6))
        torch.testing.assert_close(network(image), opened(image))
        network.mask.shift_gap(torch.tensor(-2e6))
        before = network(image)
        assert not torch.allclose(before, opened(image), atol=1e-4)
        for name, parameter in network.named_parameters():
            if name.startswith("body.0.") and name.endswith(("conv.weight", "second.weight")):
                parameter.add_(1)
        torch.testing.assert_close(network(image), before, rtol=0, atol=0)


def test_residual_cells_cost_nothing_at_inactive_pixels():
    """Runtime passes fuse the sums into masked convolutions, whose inactive pixels keep the trunk."""
    session = Session(export(lively(RESIDUAL), "masked", check=False), 1)
    layers = session.run(random_image(24, 20)).stats.layers
    assert "add" not in {layer.op for layer in layers}
    masked = [layer for layer in layers if layer.op == "masked_conv2d"]
    assert masked and all(0 < layer.macs < 0.8 * layer.macs_dense for layer in masked)


def test_searched_and_sparse_come_together(tmp_path, monkeypatch, capsys):
    """Train a found network, put a mask on it, export it, run it: every step by a command."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos", 2)
    dense = Genotype(RESIDUAL.family, 2, 16, RESIDUAL.path, RESIDUAL.cells)
    (tmp_path / "g.json").write_text(dense.to_json())
    common = ["photos", "--set", "network=g.json", *_SHORT]
    assert main(["train", "skim_fast_dense_x2", *common, "-o", "dense"]) == 0
    masked = ["--set", "masked=true", "--set", "init_from=dense/checkpoint.pt", "-o", "masked"]
    assert main(["train", "skim_fast_x2", *common, *masked]) == 0
    said = capsys.readouterr().err
    assert "not found there: mask." in said and "_extra_state" not in said
    log = (tmp_path / "masked" / "log.jsonl").read_text()
    assert '"density"' in log
    assert main(["export", "masked/checkpoint.pt", "-o", "masked.safetensors"]) == 0
    model = load("masked.safetensors")
    genotype = genotype_from_json(json.dumps(model.facts.training["genotype"]))
    assert genotype.mask_channels == 16 and genotype.cells == RESIDUAL.cells
    assert any(node.op == "masked_conv2d" for node in model.graph.nodes)
    assert np.isfinite(Session(model, 1).run(random_image(16, 16)).image).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["masked=true"], "masked needs sparsity"),
        (["masked=true", "sparsity.target_density=0.5"], "is no searched network"),
        (
            ["sparsity.target_density=0.5"],
            "has no masks to train; .* --set masked=true.* --set sparsity=none",
        ),
        (["network=g.json", "sparsity.weight=1"], "g.json has no masks to train"),
        (["network=skim_fast_x2"], "has masks, but the recipe does not train them"),
        (
            ["network=skim_fast_x2", "sparsity.keep_masks=true"],
            "no trained masks to keep; set --set init_from",
        ),
    ],
)
def test_recipes_that_do_not_fit_the_masks(tmp_path, monkeypatch, capsys, settings, says):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos", 1)
    dense = Genotype(RESIDUAL.family, 2, 16, RESIDUAL.path, RESIDUAL.cells)
    (tmp_path / "g.json").write_text(dense.to_json())
    changes = [part for setting in settings for part in ("--set", setting)]
    assert main(["train", "skim_fast_dense_x2", "photos", *changes, *_SHORT, "-o", "run"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and re.search(says, errors[0])


def test_masks_are_kept_only_if_they_are_among_the_initial_weights(tmp_path, monkeypatch, capsys):
    """A trunk without masks is no start for a recipe that keeps them, and a network with them is."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos", 1)
    for name in ("skim_fast_dense_x2", "skim_fast_x2"):
        torch.save(create(name).state_dict(), f"{name}.pt")
    given = ["train", "skim_fast_x3", "photos", *_SHORT, "-o", "run"]
    assert main([*given, "--set", "init_from=skim_fast_dense_x2.pt"]) == 2
    assert "no trained masks to keep" in capsys.readouterr().err
    assert main([*given, "--set", "init_from=skim_fast_x2.pt"]) == 0


def test_a_mask_needs_a_cell_at_the_size_of_the_image():
    with pytest.raises(ValueError, match="in front of the up blocks"):
        Genotype("trilevel_a", 2, 16, (UP, CELL), CELLS[:1], mask_channels=8)
    with pytest.raises(ValueError, match="must not be negative"):
        Genotype("residual", 2, 16, RESIDUAL.path, RESIDUAL.cells, mask_channels=-1)
