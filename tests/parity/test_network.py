"""Parity of the runtime with torch for whole networks of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import graphs
from lab.smsr_cases import MIXED, small_smsr
from runtime.random_graphs import at_every_size
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.graph_module import graph_module
from sparsesr.lab.export.parity import check_parity
from sparsesr.lab.export.torch_run import forced_masks, masks_of, run_torch

SIZES = ((1, 1), (1, 9), (2, 2), (7, 5), (16, 18), (33, 21))
TOLERANCE = 1e-4


def images(sizes=SIZES, seed: int = 0):
    random = np.random.default_rng(seed)
    return [random.random((height, width, 3), dtype=np.float32) for height, width in sizes]


@pytest.mark.parametrize("dense", [MIXED, ((0, 0, 0),) * 2, ((8, 8, 8),) * 2])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_exported_network(dense, scale):
    module = small_smsr(dense, scale=scale)
    report = check_parity(module, export(module, "small", check=False), images())
    assert report.max_abs_same_masks <= TOLERANCE
    assert report.mask_flips <= 0.001 * report.mask_pixels


@pytest.mark.parametrize("channels", [5, 16, 24])
def test_widths(channels):
    dense = ((channels // 2, 1, 0), (channels, 0, channels // 3))
    module = small_smsr(dense, channels=channels)
    report = check_parity(module, export(module, "small", check=False), images())
    assert report.max_abs_same_masks <= TOLERANCE


@pytest.mark.parametrize("seed", range(3))
def test_hand_made_graphs(seed):
    model = graphs.smsr(channels=16, modules=2, layers=3, seed=seed)
    report = check_parity(graph_module(model), model, images(seed=seed))
    assert report.max_abs_same_masks <= TOLERANCE


@pytest.mark.parametrize("model", [graphs.plain(), at_every_size()], ids=lambda model: model.facts.name)
def test_graphs_without_masks(model):
    assert check_parity(graph_module(model), model, images()).max_abs_free <= 1e-5


def test_flips_are_counted_and_forced_masks_take_effect():
    """If the logits of network and runtime differ, results are only comparable with equal masks."""
    module = small_smsr()
    model = export(module, "small", check=False)
    with torch.no_grad():
        module.body[0].spa_mask[5].bias[1] += 0.3
    report = check_parity(module, model, images(((24, 24),)))
    assert report.mask_flips > 0
    assert report.max_abs_free > report.max_abs_same_masks
    assert report.max_abs_same_masks <= TOLERANCE


def test_graph_module_takes_forced_masks():
    model = export(small_smsr(), "small", check=False)
    module, image = graph_module(model), images(((8, 8),))[0]
    wanted = [np.eye(8, dtype=bool), ~np.eye(8, dtype=bool)]
    with forced_masks(module, wanted):
        run_torch(module, image, 2, 2)
        assert all(np.array_equal(a, b) for a, b in zip(masks_of(module), wanted, strict=True))
    run_torch(module, image, 2, 2)
    assert not np.array_equal(masks_of(module)[0], wanted[0])


def test_a_difference_is_seen():
    module = small_smsr()
    model = export(module, "small", check=False)
    with torch.no_grad():
        module.tail[0].bias += 0.01 * 255
    assert check_parity(module, model, images(((8, 8),))).max_abs_free == pytest.approx(0.01, rel=0.05)


@pytest.mark.slow
def test_official_weights(shared_dir, benchmarks_dir):
    from sparsesr.image.decode import decode
    from sparsesr.lab.export.importer import load_network

    _, module = load_network(shared_dir / "checkpoints" / "smsr_x2_official.pt")
    model = export(module, "official", check=False)
    images = [decode(path).rgb for path in sorted((benchmarks_dir / "Set5" / "LRx2_std").glob("*.png"))]
    report = check_parity(module, model, images)
    assert report.max_abs_same_masks <= TOLERANCE
    assert report.mask_flips < 50
