"""Multiply-adds of models, compared with the SMSR paper, with counts by hand and with runs."""

from __future__ import annotations

import pytest

import graphs
from runtime.random_graphs import random_image, tokens
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.runtime.graph.cost import count_macs, paper_density
from sparsesr.runtime.session import Session
from support.paper_macs import paper_macs

# The published counts are for a 1280x720 output: 230,400 / 102,400 / 57,600 LR pixels.
# 1280 is not a multiple of 3, so x3 uses an LR image of 320x320, which has as many pixels.
PAPER = [
    (2, (360, 640), 0.51, 224.05, 131.57),
    (3, (320, 320), 0.61, 100.46, 67.75),
    (4, (180, 320), 0.67, 57.21, 41.64),
]


@pytest.mark.parametrize(("scale", "size", "density", "dense", "sparse"), PAPER)
def test_the_papers_counts(scale, size, density, dense, sparse):
    model = graphs.smsr(scale=scale)
    assert paper_macs(model, *size) / 1e9 == pytest.approx(dense, abs=0.005)
    assert paper_macs(model, *size, density) / 1e9 == pytest.approx(sparse, abs=0.005)


@pytest.mark.parametrize(("scale", "parameters"), [(2, 984_746), (3, 993_401), (4, 1_005_518)])
def test_the_hand_made_graph_has_the_papers_parameters(scale, parameters):
    assert graphs.smsr(scale=scale).facts.parameters == parameters


def masks(model) -> list[str]:
    return [node.output for node in model.graph.nodes if node.op == "spatial_mask"]


def test_dense_count_is_the_papers_apart_from_conventions():
    """Transposed convolutions count once per input pixel, not output pixel, and channel attention counts."""
    model = graphs.smsr()
    deconvs, attention = 5 * 16 * 2 * 9, 5 * 2 * 64 * 4
    expected = paper_macs(model, 360, 640) - deconvs * 360 * 640 * 3 // 4 + attention
    assert count_macs(model, 360, 640).macs_dense == expected


def test_by_hand_for_one_module():
    """The masked part of a module with 8 channels, on 10 x 6 pixels, 15 of them active."""
    model = graphs.smsr(channels=8, modules=1, layers=2, dense_out=[[3, 1]])
    cost = count_macs(model, 10, 6, {"body.0.mask": 0.25})
    macs = {node.output: node.macs for node in cost.nodes}
    assert macs["body.0.layer0"] == 15 * 8 * 8 * 9 + 45 * 8 * 3 * 9
    assert macs["body.0.layer1"] == 15 * 8 * 8 * 9 + 45 * 3 * 1 * 9
    assert macs["body.0.collect"] == 15 * 16 * 8 + 45 * (3 + 1) * 8
    assert macs["body.0.mask.3"] == 15 * 16 * 16 * 9
    assert macs["body.0.mask.5"] == 15 * 16 * 2 * 9
    assert macs["head.2"] == 60 * 8 * 8 * 9
    assert macs["body.0.ca"] == 2 * 8


def test_all_active_costs_as_much_as_dense():
    model = graphs.smsr(channels=8, modules=2, layers=3)
    cost = count_macs(model, 8, 8, dict.fromkeys(masks(model), 1.0))
    assert cost.macs == cost.macs_dense == count_macs(model, 8, 8).macs
    assert cost.saved_fraction == 0


def test_true_cost_is_a_little_below_the_papers():
    """The paper charges dense channels for reading sparse ones even at inactive pixels, where those are zero."""
    model = graphs.smsr()
    densities = dict.fromkeys(masks(model), 0.37)
    density = paper_density(model, densities)
    cost = count_macs(model, 360, 640, densities)
    assert 0.9 < cost.macs / paper_macs(model, 360, 640, density) < 1
    assert cost.saved_fraction == pytest.approx(0.49, abs=0.02)


def test_paper_density_of_the_published_channel_masks():
    """Butterfly: published mask densities and the paper-style density they give."""
    densities = dict(zip(masks(graphs.smsr()), (0.477, 0.584, 0.742, 0.680, 0.645), strict=True))
    assert paper_density(graphs.smsr(), densities) == pytest.approx(0.658, abs=0.001)


def test_a_model_without_masks():
    model = graphs.plain(channels=8, scale=2)
    assert paper_density(model, {}) == 1
    assert count_macs(model, 4, 4, {}).macs == paper_macs(model, 4, 4) == 16 * 9 * (3 * 8 + 8 * 12)


@pytest.mark.parametrize("densities", [{}, {"body.0.mask": 1.5}, {"body.0.mask": float("nan")}])
def test_densities_must_be_complete(densities):
    model = graphs.smsr(channels=4, modules=1, layers=1)
    with pytest.raises(ValueError, match=r"mask body\.0\.mask needs a density in 0\.\.1"):
        count_macs(model, 4, 4, densities)
    with pytest.raises(ValueError, match="needs a density"):
        paper_density(model, densities)


def test_attention_costs_pairs_of_pixels():
    def macs(height, width):
        return {node.output: node.macs for node in count_macs(tokens(), height, width).nodes}

    assert macs(8, 6)["attended"] == 2 * 9 * 4 * 12**2
    assert macs(3, 5)["attended"] == 2 * 9 * 5 * 3**2  # 15 pixels: five segments of three
    assert macs(3, 9)["attended"] == 2 * 9 * (4 * 6**2 + 3**2)  # 27: four of six, and three left over
    assert macs(9, 7)["low_attended"] == 2 * 10 * 3 * 4**2  # 4 x 3 pixels at half resolution


def test_halved_grids_of_odd_images_round_up():
    model = graphs.smsr(channels=4, modules=1, layers=1)
    costs = {node.output: node.macs for node in count_macs(model, 5, 3).nodes}
    assert costs["body.0.mask.3"] == 3 * 2 * 16 * 16 * 9


def pooled() -> ModelFile:
    """A model for images of any size, with a layer at half resolution."""
    build = graphs.GraphBuilder()
    head = build.conv([build.add("image", (), "image")], "head", 3, 8)
    low = build.conv([build.add("avg_pool2x2", [head], "half")], "low", 8, 8)
    scaled = build.add("scale_add", [head, build.add("global_mean", [low], "mean")], "scaled")
    output = build.add("pixel_shuffle", [build.conv([scaled], "tail", 8, 12)], "output", scale=2)
    return ModelFile(Facts("pooled", "pooled", 2), Graph("image", output, tuple(build.nodes)), build.tensors)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7)])
def test_small_images_cost_what_they_cost_to_run(height, width):
    """They are padded, so that no half-resolution map is empty."""
    model = pooled()
    stats = Session(model, 1).run(random_image(height, width)).stats
    assert count_macs(model, height, width).macs == stats.macs > 0
    assert [node.macs for node in count_macs(model, height, width).nodes if node.output == "low"] == [
        max(1, width // 2) * 9 * 8 * 8
    ]
