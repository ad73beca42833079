"""Skim: sizes, behaviour at inactive pixels, and parity of the exported model."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lab.skim_cases import SMALL, small_skim  # noqa: E402
from sparsesr.lab.export.architectures import build_network  # noqa: E402
from sparsesr.lab.export.exporter import export  # noqa: E402
from sparsesr.lab.nn.layers.residual_block import ResidualBlock  # noqa: E402
from sparsesr.lab.nn.registry import create  # noqa: E402
from sparsesr.lab.nn.skim import Skim  # noqa: E402
from sparsesr.runtime.graph.cost import count_macs  # noqa: E402


@pytest.mark.parametrize(("name", "macs"), [("skim_fast_dense_x2", 225_504), ("skim_best_dense_x2", 598_464)])
def test_multiply_adds_per_pixel(name, macs):
    """27 C in the head, 18 C^2 in each block, 108 C in the tail."""
    model = export(create(name), name, check=False)
    assert count_macs(model, 10, 10).macs_dense == 100 * macs


def test_inactive_pixels_keep_their_features():
    torch.manual_seed(0)
    block = ResidualBlock(8)
    feature = torch.randn(1, 8, 9, 7)
    mask = (torch.rand(1, 1, 9, 7) > 0.5).float()
    out = block(feature, mask)
    inactive = (mask == 0).expand_as(feature)
    assert torch.equal(out[inactive], feature[inactive])
    assert not torch.isclose(out, feature)[~inactive].any()


def test_hidden_features_of_inactive_pixels_do_not_count():
    torch.manual_seed(0)
    block = ResidualBlock(8)
    feature, mask = torch.randn(1, 8, 9, 7), torch.zeros(1, 1, 9, 7)
    mask[..., 4, 3] = 1
    hidden = torch.relu(block.a(feature))[0, :, 4, 3]
    expected = feature[0, :, 4, 3] + block.b.weight[:, :, 1, 1] @ hidden + block.b.bias
    torch.testing.assert_close(block(feature, mask)[0, :, 4, 3], expected)


def test_with_open_masks_it_equals_the_network_without_masks():
    masked = small_skim()
    masked.open_masks()
    dense = small_skim(mask_channels=0)
    dense.load_state_dict({k: v for k, v in masked.state_dict().items() if not k.startswith("mask.")})
    image = torch.rand(1, 3, 10, 12)
    torch.testing.assert_close(masked(image), dense(image), rtol=0, atol=1e-6)


def test_no_pixel_depends_on_the_whole_image():
    """A changed pixel affects only the receptive field of the convolutions: tiles and frames are exact."""
    network = small_skim()
    image = torch.rand(1, 3, 40, 40)
    changed = image.clone()
    changed[..., 0, 0] += 0.5
    difference = (network(changed) - network(image)).abs().amax(1)[0]
    reach_px = 2 * (1 + 2 * SMALL["blocks"] + 1 + 6)
    assert difference[reach_px:].max() == 0 and difference[:, reach_px:].max() == 0


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("mask_channels", [0, 4])
def test_exported_model_agrees(scale, mask_channels):
    network = small_skim(scale=scale, mask_channels=mask_channels)
    model = export(network, "small")  # compares both and raises above 1e-4
    assert model.facts.scale == scale and model.facts.architecture == "skim"
    assert model.facts.size_multiple == (2 if mask_channels else 1)
    assert any(node.op == "masked_conv2d" for node in model.graph.nodes) == bool(mask_channels)


def test_checkpoints_are_detected():
    network = small_skim(scale=3)
    architecture, found = build_network(dict(network.state_dict()), "a file")
    assert architecture.name == "skim" and isinstance(found, Skim) and found.config == network.config
    image = torch.from_numpy(np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32))
    assert torch.equal(found(image), network(image))


def test_images_keep_their_precision_when_features_are_bf16():
    """Images in bf16 would have steps of 1/256 near white, and the loss would see them."""
    network = small_skim().train()
    torch.nn.init.zeros_(network.tail[0].weight)
    torch.nn.init.zeros_(network.tail[0].bias)
    image = torch.rand(2, 3, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        upscaled = network(image)
    torch.testing.assert_close(upscaled, network.upsample(image), rtol=0, atol=1e-6)
