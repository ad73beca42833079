"""MSDNet against published multiply-adds, hand-counted shapes, and the exits that it shares with RANet."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from sparsesr.lab.evaluate.all_exits import logits_of_all_exits
from sparsesr.lab.evaluate.confidence import confidence
from sparsesr.lab.evaluate.early_exit import classify_early
from sparsesr.lab.evaluate.exit_thresholds import exits_taken, fit_thresholds
from sparsesr.lab.export.importer import load_network
from sparsesr.lab.nn.msdnet import CONFIGS, MSDNet
from sparsesr.lab.nn.msdnet_config import MSDNetConfig
from sparsesr.lab.nn.multiply_adds import multiply_adds_by_exit

# Read off the anytime figure of RANet's paper, to 0.3 M.
PUBLISHED = (15.2, 25.6, 37.9, 52.1, 62.2, 74.1, 87.6, 100.0, 110.0, 121.6)


def on_meta(config: MSDNetConfig) -> MSDNet:
    with torch.device("meta"):
        return MSDNet(config).eval()


def test_multiply_adds_are_the_published_ones() -> None:
    found = [count / 1e6 for count in multiply_adds_by_exit(on_meta(CONFIGS["msdnet_cifar_anytime"]))]
    assert found == pytest.approx(PUBLISHED, abs=0.3)


def test_multiply_adds_counted_by_hand() -> None:
    """One scale of 8x8, one layer: 3x3 to 4 channels, 1x1 to 4 and 3x3 to 4 new ones, and the classifier."""
    config = MSDNetConfig(blocks=1, base=1, channels=4, growth=4, factors=(1,), bottlenecks=(1,), image_px=8)
    convolutions = 8 * 8 * (3 * 4 * 9 + 4 * 4 + 4 * 4 * 9)
    classifier = 4 * 4 * 8 * 128 * 9 + 2 * 2 * 128 * 128 * 9
    relus = 8 * 8 * 3 * 4 + 4 * 4 * 128 + 2 * 2 * 128
    pool, linear = 128 * 4, 128 * 10 + 10
    assert multiply_adds_by_exit(on_meta(config)) == (convolutions + classifier + relus + pool + linear,)


def test_counting_leaves_the_network_as_it_is() -> None:
    network = MSDNet(CONFIGS["msdnet_tiny"])
    multiply_adds_by_exit(network)
    assert network.training and all(not module._forward_hooks for module in network.modules())
    assert next(network.parameters()).device.type == "cpu"


def test_the_highest_scale_is_dropped_after_each_third() -> None:
    plans = [plan for block in CONFIGS["msdnet_cifar_anytime"].plan() for plan in block]
    assert [plan.scales for plan in plans] == [3] * 8 + [2] * 8 + [1] * 6  # 22 layers, thirds of 8
    assert [index for index, plan in enumerate(plans) if plan.has_transition] == [8, 16]
    assert [plan.scales_in for plan in plans[7:10]] == [3, 3, 2]
    # 16 channels and 6 more with each layer; the transition after the ninth layer halves 70.
    assert [plan.channels for plan in plans[:10]] == [22, 28, 34, 40, 46, 52, 58, 64, 70, 41]
    assert [later.channels_in for _, later in pairwise(plans)][8] == 35


def test_features_by_scale() -> None:
    network = MSDNet(CONFIGS["msdnet_tiny"]).eval()
    progress, shapes = network.start(torch.rand(2, 3, 32, 32)), []
    shapes.append([tuple(feat_BCHW.shape[1:]) for feat_BCHW in progress.features])
    for _ in range(network.config.exits):
        logits_BK, progress = network.advance(progress)
        assert logits_BK.shape == (2, 10)
        shapes.append([tuple(feat_BCHW.shape[1:]) for feat_BCHW in progress.features])
    assert shapes == [
        [(64, 8, 8), (32, 16, 16), (16, 32, 32)],
        [(112, 8, 8), (56, 16, 16), (28, 32, 32)],
        [(80, 8, 8), (40, 16, 16)],  # the transition halves 40 units of width, and the highest scale is gone
        [(128, 8, 8), (64, 16, 16)],
        [(100, 8, 8)],  # 38 units, halved after the seventh layer, and 6 of the eighth
    ]


def test_half_of_the_new_channels_come_from_twice_the_resolution() -> None:
    state = on_meta(CONFIGS["msdnet_tiny"]).state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    lowest = "blocks.0.0.layers.0."
    # At the lowest resolution: 24 new channels, 12 by a strided convolution from 32 channels with their bottleneck, 2.
    assert shapes[lowest + "conv_down.net.0.weight"] == (24, 32, 1, 1)
    assert shapes[lowest + "conv_down.net.3.weight"] == (12, 24, 3, 3)
    assert shapes[lowest + "conv_normal.net.0.weight"] == (48, 64, 1, 1)
    assert shapes["blocks.0.0.layers.2.conv_normal.net.0.weight"] == (6, 16, 1, 1)
    assert "blocks.0.0.layers.2.conv_down.net.0.weight" not in shapes


def test_early_exit_gives_the_answers_of_full_execution() -> None:
    torch.manual_seed(0)
    network = MSDNet(CONFIGS["msdnet_tiny"])
    network(torch.rand(16, 3, 32, 32))
    network.eval()
    image_B3HW = torch.rand(16, 3, 32, 32)
    logits_EBK = logits_of_all_exits(network, [image_B3HW])
    confidence_EB = confidence(logits_EBK).numpy()
    thresholds_E = fit_thresholds(confidence_EB, np.full(4, 1 / 4)) - 1e-5
    taken = exits_taken(confidence_EB, thresholds_E)
    assert set(taken) == {0, 1, 2, 3}
    answers = classify_early(network, image_B3HW, thresholds_E)
    assert answers.exits.tolist() == taken.tolist()
    expected_BK = logits_EBK[torch.from_numpy(taken), torch.arange(16)]
    torch.testing.assert_close(answers.logits, expected_BK, atol=1e-5, rtol=1e-5)


def test_checkpoints_are_recognised(tmp_path) -> None:
    network = MSDNet(replace(CONFIGS["msdnet_tiny"], classes=7)).eval()
    torch.save({"state_dict": network.state_dict()}, tmp_path / "msdnet.pt")
    architecture, found = load_network(tmp_path / "msdnet.pt")
    assert architecture == "msdnet" and isinstance(found, MSDNet) and found.config == network.config
    image_B3HW = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(found(image_B3HW), network(image_B3HW))


@pytest.mark.parametrize("wrong", [{"factors": (4, 2)}, {"blocks": 0}, {"growth": 1, "factors": (1, 1, 1)}])
def test_impossible_configurations_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"must be|cannot be halved"):
        MSDNetConfig(**wrong)
