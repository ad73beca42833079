"""RANet against the authors' code: multiply-adds, parameters, shapes, names, and each of its oddities."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

from sparsesr.lab.export.architectures import build_network
from sparsesr.lab.export.importer import load_network
from sparsesr.lab.nn.multiply_adds import multiply_adds_by_exit
from sparsesr.lab.nn.ranet import CONFIGS, RANet
from sparsesr.lab.nn.ranet_config import RANetConfig
from sparsesr.lab.train.checkpoint import warm_start

# Multiply-adds at the exits and parameters, in millions, from runs of the authors' code.
PUBLISHED = {
    "ranet_cifar_anytime": ("15.81 31.28 44.66 50.36 60.65 63.65 90.17 94.90", 3.262, 1774),
    "ranet_cifar_batch1": ("8.36 21.77 32.84 41.52 53.23 58.92", 2.548, 1284),
    "ranet_cifar_batch2": ("10.73 24.13 35.21 43.89 93.01 114.61 163.94 175.65", 5.094, None),
    "ranet_cifar_batch3": ("10.74 24.14 35.22 43.90 55.60 61.30 105.56 117.27", 3.968, None),
    "ranet_cifar_default": ("13.44 28.91 42.28 47.98 58.28 61.27", 2.451, None),
    "ranet_tiny": ("8.36 16.10 22.20 25.35 29.89 31.73", 1.754, None),
    "ranet_imagenet": ("435.0 888.7 1153.4 1352.5 2279.9 2588.5 3235.5 3333.5", 149.14, 3317),
    "ranet_imagenet_batch1": ("246.5 631.2 860.4 1041.1 1869.9 2160.4 2734.3 2828.3", 131.12, None),
    "ranet_imagenet_script": ("168.1 520.5 731.9 903.8 1052.3 1118.8 1589.0 1681.0", 87.97, None),
}


@cache
def on_meta(config: RANetConfig) -> RANet:
    with torch.device("meta"):
        return RANet(config).eval()


def shape(name: str, config: str = "ranet_cifar_batch1") -> tuple[int, ...]:
    return tuple(on_meta(CONFIGS[config]).state_dict()[name].shape)


def test_all_configurations_have_figures() -> None:
    assert set(PUBLISHED) == set(CONFIGS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_multiply_adds_and_parameters_are_those_of_the_authors(name: str) -> None:
    texts, parameters, tensors = PUBLISHED[name]
    for text, count in zip(texts.split(), multiply_adds_by_exit(on_meta(CONFIGS[name])), strict=True):
        rounding = 0.5 * 10 ** -len(text.partition(".")[2])
        assert count / 1e6 == pytest.approx(float(text), abs=rounding + 0.005)  # some were rounded twice
    network = on_meta(CONFIGS[name])
    found = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert found == pytest.approx(parameters, abs=0.006 if parameters > 50 else 0.0006)
    assert tensors in (None, len(network.state_dict()))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ranet_cifar_anytime", 3.355),
        ("ranet_cifar_batch1", 2.617),
        ("ranet_cifar_batch2", 5.187),
        ("ranet_cifar_batch3", 4.061),
    ],
)
def test_cifar_100_has_a_few_more_parameters(name: str, parameters: float) -> None:
    network = on_meta(replace(CONFIGS[name], classes=100))
    assert sum(value.numel() for value in network.parameters()) / 1e6 == pytest.approx(parameters, abs=0.0006)


def blocks(config: str, subnet: int) -> list[tuple[int, int, int, str]]:
    """Channels of input, before the appended part, and of the result; what changes the size."""
    network = on_meta(CONFIGS[config])
    found = []
    for plan, block in zip(CONFIGS[config].plan(subnet), network.scale_flows[subnet], strict=True):
        what = ("down " if plan.is_down else "") + ("trans" if plan.has_transition else "")
        found.append((block.channels[0], block.channels[-1], block.channels_out, what.strip()))
    return found


def test_blocks_of_the_first_batch_model() -> None:
    assert blocks("ranet_cifar_batch1", 0) == [(64, 112, 112, ""), (112, 208, 208, "")]
    assert blocks("ranet_cifar_batch1", 1) == [
        (32, 56, 70, ""), (70, 118, 73, "down trans"), (73, 145, 145, ""), (145, 241, 241, ""),
    ]  # fmt: skip
    assert blocks("ranet_cifar_batch1", 2) == [
        (16, 28, 35, ""), (35, 59, 36, "down trans"), (36, 72, 90, ""), (90, 138, 86, "down trans"),
        (86, 146, 146, ""), (146, 218, 218, ""),
    ]  # fmt: skip
    layers = [plan.layers for plan in CONFIGS["ranet_cifar_batch1"].plan(2)]
    assert layers == [2, 4, 6, 8, 10, 12]  # lg: the same by block in all sub-networks


def test_transitions_and_down_blocks_differ_where_scales_repeat() -> None:
    """Trap 2: the fourth sub-network has the resolution of the third."""
    assert blocks("ranet_cifar_anytime", 3) == [
        (16, 40, 50, ""), (50, 74, 46, "trans"), (46, 70, 87, ""), (87, 111, 138, "down"),
        (138, 162, 101, "trans"), (101, 125, 156, "down"), (156, 180, 180, ""), (180, 204, 204, ""),
    ]  # fmt: skip


def test_lists_begin_with_the_lowest_resolution_but_layers_with_the_highest() -> None:
    """Trap 1."""
    assert shape("FirstLayer.layers.0.net.0.weight") == (16, 3, 3, 3)
    assert shape("FirstLayer.layers.2.net.0.weight") == (64, 32, 3, 3)
    base = RANet(CONFIGS["ranet_tiny"]).eval().start(torch.rand(2, 3, 32, 32)).base
    assert [tuple(feat_BCHW.shape[1:]) for feat_BCHW in base] == [(64, 8, 8), (32, 16, 16), (16, 32, 32)]
    repeated = (
        RANet(replace(CONFIGS["ranet_cifar_anytime"], step=1)).eval().start(torch.rand(1, 3, 32, 32)).base
    )
    assert [feat_BCHW.shape[-1] for feat_BCHW in repeated] == [8, 16, 32, 32]


def test_shares_of_channels_are_rounded_down() -> None:
    """Trap 3: of six new channels, one comes from below, by a 3x3 convolution with one output."""
    assert shape("scale_flows.1.0.layers.0.conv_up.net.0.weight") == (12, 64, 1, 1)
    assert shape("scale_flows.1.0.layers.0.conv_up.net.3.weight") == (3, 12, 3, 3)
    assert shape("scale_flows.1.0.layers.0.conv_normal.net.0.weight") == (18, 32, 1, 1)
    assert shape("scale_flows.1.0.layers.0.conv_normal.net.3.weight") == (9, 18, 3, 3)
    assert shape("scale_flows.2.0.layers.0.conv_up.net.3.weight")[0] == 1
    assert shape("scale_flows.1.1.conv_last.net.0.weight") == (29, 208, 1, 1)
    assert shape("scale_flows.1.1.trans.net.0.weight") == (73, 147, 1, 1)


def test_names_of_the_imagenet_stem() -> None:
    assert shape("FirstLayer.layers.0.0.weight", "ranet_imagenet") == (64, 3, 7, 7)
    assert shape("FirstLayer.layers.0.0.bias", "ranet_imagenet") == (64,)
    assert shape("FirstLayer.layers.0.1.running_mean", "ranet_imagenet") == (64,)


def test_resizing_aligns_corners() -> None:
    """The corners of a resized map are those of the map."""
    from sparsesr.lab.nn.layers.dense_fusion import resized

    feat_BCHW = torch.arange(16.0).reshape(1, 1, 4, 4)
    large = resized(feat_BCHW, torch.Size((7, 7)))
    assert large[0, 0, ::2, ::2].tolist() == feat_BCHW[0, 0].tolist()
    assert large[0, 0, 0, 1] == 0.5


def test_every_classifier_sees_the_lowest_resolution() -> None:
    for name in ("ranet_cifar_anytime", "ranet_cifar_batch2"):
        network = RANet(replace(CONFIGS[name], step=1)).eval()
        progress = network.start(torch.rand(1, 3, 32, 32))
        for _ in range(network.config.exits):
            _, progress = network.advance(progress)
            assert progress.features.shape[-2:] == (8, 8)


def test_a_checkpoint_of_the_authors_is_recognised(tmp_path) -> None:
    """Saved from DataParallel, with their other entries."""
    torch.manual_seed(0)
    network = RANet(CONFIGS["ranet_tiny"]).eval()
    with torch.no_grad():
        network.scale_flows[0][0].layers[0].conv_normal.net[1].running_mean.normal_()
    weights = {f"module.{name}": value for name, value in network.state_dict().items()}
    path = tmp_path / "theirs.pth"
    torch.save(
        {"epoch": 3, "arch": "RANet", "state_dict": weights, "best_prec1": 91.0, "optimizer": {}}, path
    )
    architecture, found = load_network(path)
    assert architecture == "ranet" and isinstance(found, RANet) and found.config == CONFIGS["ranet_tiny"]
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(found(image), network(image))


def test_a_run_can_start_from_a_checkpoint_of_the_authors(tmp_path) -> None:
    network, fresh = (RANet(CONFIGS["ranet_tiny"]) for _ in range(2))
    weights = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": weights}, tmp_path / "theirs.pth")
    assert warm_start(fresh, str(tmp_path / "theirs.pth")) == []
    assert torch.equal(fresh.classifier[3].linear.weight, network.classifier[3].linear.weight)


def test_repeated_scales_are_told_apart_by_their_shapes() -> None:
    for name in ("ranet_cifar_batch2", "ranet_cifar_batch3"):
        config = replace(CONFIGS[name], classes=7)
        _, found = build_network(RANet(config).state_dict(), "file")
        assert found.config == config


def test_unknown_sizes_are_refused() -> None:
    from sparsesr.errors import ModelError

    with pytest.raises(ModelError, match="its sizes are none of"):
        build_network(RANet(RANetConfig(step=3)).state_dict(), "file")


def test_initial_weights() -> None:
    torch.manual_seed(1)
    network = RANet(CONFIGS["ranet_tiny"])
    weight = network.classifier[0].m[1].net[0].weight
    assert weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert not network.classifier[0].linear.bias.any()
    first = network.FirstLayer.layers[2].net[0].weight  # left as torch makes it: uniform
    assert first.abs().max().item() <= (1 / (9 * 32)) ** 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"scales": (1, 3, 4)},
        {"scales": (2, 3, 4)},
        {"factors": (4, 2)},
        {"step": 0},
        {"growth": 3},
        {"step_mode": "log"},
    ],
)
def test_impossible_configurations_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"must be|at least|start at 1"):
        RANetConfig(**wrong)
