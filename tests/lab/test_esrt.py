"""ESRT against its specification: sizes, names, the whole network, and pitfalls of reimplementation."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from lab.esrt_cases import Reference, small_esrt
from lab.smsr_cases import random_image
from sparsesr.lab.nn.esrt import ESRT, ESRTConfig
from sparsesr.lab.nn.layers.adaptive_residual import AdaptiveResidualBlock, ResidualUnit
from sparsesr.lab.nn.layers.bias_free import BiasFreeConv
from sparsesr.lab.nn.layers.efficient_transformer import fold_tokens, unfold_tokens
from sparsesr.lab.nn.layers.high_preserving import HighPreservingBlock
from sparsesr.lab.nn.layers.resolution import BilinearLike, HalfPool

TOTALS = {2: 677_783, 3: 770_263, 4: 751_767}
TENSORS = {2: 344, 3: 344, 4: 348}


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_parameters_and_tensors(scale):
    module = ESRT(ESRTConfig(scale=scale))
    assert parameters(module) == TOTALS[scale]
    assert len(module.state_dict()) == TENSORS[scale]


def test_parameters_of_the_parts():
    trunk = ESRT().body[0]
    block = trunk.encoder1
    assert parameters(block.encoder.layer1) == 9_282
    assert parameters(block.encoder) == 29_995
    assert parameters(block) == 122_190
    assert parameters(trunk.attention) == 188_424


def test_names_of_the_published_layout():
    names = ESRT(ESRTConfig(scale=4)).state_dict().keys()
    parts = [
        "up.0.2.bias",
        "up.1.conv.weight",
        "head.0.weight",
        "tail.0.2.weight",
        "tail.1.bias",
        "reduce.bias",
    ]
    parts += [f"body.0.{name}" for name in ("reduce.weight", "weight1.scale", "weight2.scale", "alise.bias")]
    attention = ("atten.reduce.weight", "atten.qkv.weight", "atten.proj.bias", "norm2.bias", "mlp.fc1.bias")
    parts += [f"body.0.attention.{name}" for name in attention]
    block = "body.0.encoder3"
    parts += [f"{block}.alise2.conv.weight", f"{block}.att.conv_du.2.bias"]
    inner = ("layer1.conv1.bias", "layer2.relu.weight", "layer2.weight2.scale", "layer4.conv.weight")
    parts += [f"{block}.decoder_low.{name}" for name in (*inner, "weight1.scale", "atten.conv_du.0.weight")]
    assert set(parts) <= names


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(8, 6), (7, 9), (2, 2), (3, 5)])
def test_whole_network_equals_the_specification(scale, size):
    module = small_esrt(scale=scale)
    with torch.no_grad():
        got = module(random_image(*size))
        expected = Reference(module.state_dict(), scale)(random_image(*size))
    assert got.shape == (1, 3, scale * size[0], scale * size[1])
    torch.testing.assert_close(got, expected, atol=2e-5, rtol=1e-4)


def test_full_width_equals_the_specification():
    torch.manual_seed(3)
    module = ESRT().eval()
    with torch.no_grad():
        got, expected = module(random_image(9, 7)), Reference(module.state_dict(), 2)(random_image(9, 7))
    torch.testing.assert_close(got, expected, atol=2e-5, rtol=1e-4)


# --- tokens ---


def test_folding_sums_overlaps():
    tokens = unfold_tokens(torch.ones(1, 2, 5, 6))
    folded = fold_tokens(torch.ones_like(tokens), 5, 6)
    assert folded[0, 0, 2, 2] == 9 and folded[0, 1, 0, 3] == 6 and folded[0, 0, 4, 5] == 4


def test_tokens_are_channel_major_in_raster_order():
    feat = torch.arange(2 * 4 * 3.0).reshape(1, 2, 4, 3)
    token = unfold_tokens(feat)[0, 1 * 3 + 1]  # row 1, column 1
    expected = feat[0, :, 0:3, 0:3].reshape(-1)
    assert torch.equal(token, expected)


def test_perceptron_is_a_quarter_wide():
    mlp = ESRT().body[0].attention.mlp
    assert mlp.fc1.out_features == 72 and mlp.fc2.in_features == 72


# --- blocks ---


def test_low_block_is_run_five_times_with_the_same_weights():
    module, calls = small_esrt(), []
    module.body[0].encoder2.decoder_low.register_forward_hook(lambda *given: calls.append(given[2].shape))
    with torch.no_grad():
        module(random_image(10, 6))
    assert calls == [(1, 16, 5, 3)] * 5


def test_fusion_of_units_takes_the_second_first():
    block = AdaptiveResidualBlock(16, 8).eval()
    feat = torch.randn(1, 16, 5, 5)
    with torch.no_grad():
        block.alise.conv.weight[:, 16:] = 0  # ignore the second unit
        before = block(feat)
        block.weight3.scale.fill_(5.0)  # so the first unit's weight has no effect
        torch.testing.assert_close(block(feat), before)
        block.weight2.scale.fill_(5.0)
        assert not torch.allclose(block(feat), before)


def test_first_weight_of_a_block_is_stored_but_unused():
    block = AdaptiveResidualBlock(16, 8)
    feat = torch.randn(1, 16, 5, 5)
    block(feat).sum().backward()
    assert block.weight1.scale.grad is None and block.weight2.scale.grad is not None


def test_unit_weights_input_and_detail_apart():
    unit, feat = ResidualUnit(16).eval(), torch.randn(1, 16, 4, 4)
    with torch.no_grad():
        unit.weight2.scale.zero_()
        unit.weight1.scale.fill_(3.0)
        torch.testing.assert_close(unit(feat), 3 * feat)


def test_block_fuses_low_first():
    block = HighPreservingBlock(16, 8, 5).eval()
    feat = torch.randn(1, 16, 6, 6)
    with torch.no_grad():
        block.alise2.conv.weight[:, 16:] = 0  # ignore the second input, the high branch
        before = block(feat)
        block.decoder_high.weight4.scale.fill_(7.0)
        torch.testing.assert_close(block(feat), before)
        block.decoder_low.weight4.scale.fill_(0.2)
        assert not torch.allclose(block(feat), before)


def test_pooling_drops_the_odd_row_and_column():
    feat = torch.rand(1, 2, 5, 7)
    expected = functional.avg_pool2d(feat[:, :, :4, :6], 2)
    assert torch.equal(HalfPool()(feat), expected)


def test_upscaling_aligns_corners():
    low = torch.rand(1, 1, 3, 2)
    wide = BilinearLike()(low, torch.empty(1, 1, 7, 4))
    assert wide[0, 0, 0, 0] == low[0, 0, 0, 0] and wide[0, 0, -1, -1] == low[0, 0, -1, -1]
    torch.testing.assert_close(
        wide[0, 0, 3], torch.lerp(low[0, 0, 1, 0], low[0, 0, 1, 1], torch.arange(4) / 3)
    )


@pytest.mark.parametrize("size", [(5, 7), (6, 9), (2, 2)])
def test_blocks_keep_odd_sizes(size):
    with torch.no_grad():
        assert HighPreservingBlock(16, 8, 5)(torch.randn(1, 16, *size)).shape == (1, 16, *size)


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (8, 1)])
def test_images_of_one_row_or_column_are_refused(size):
    with pytest.raises(ValueError, match="at least 2"):
        small_esrt()(random_image(*size))


# --- head and tail ---


def test_skip_branch_is_a_relu_of_shallow_features():
    module = small_esrt()
    with torch.no_grad():
        skip = module.up(module.head(random_image()))
        assert skip.min() == 0 and skip.max() > 0
        module.tail[1].weight.zero_()
        module.tail[1].bias.fill_(-0.5)
        torch.testing.assert_close(module(random_image()), skip - 0.5)


def test_fusing_convolutions_have_no_bias_and_end_in_relu():
    found = [part for part in ESRT().modules() if isinstance(part, BiasFreeConv)]
    assert len(found) == 1 + 3 * (4 * 2 + 1) and all(part.conv.bias is None for part in found)


def test_only_tokens_are_normalised():
    kinds = {type(part) for part in ESRT().modules() if "Norm" in type(part).__name__}
    assert kinds == {nn.LayerNorm}
    assert all(part.eps == 1e-5 for part in ESRT().modules() if isinstance(part, nn.LayerNorm))


def test_there_are_two_upsamplers():
    module = ESRT()
    assert module.up[0][0].weight is not module.tail[0][0].weight


def test_initial_scalars():
    state = ESRT().state_dict()
    assert all(value == 1 for name, value in state.items() if name.endswith(".scale"))
    assert all((value == 0.25).all() for name, value in state.items() if name.endswith(".relu.weight"))


def test_loading_is_strict():
    state = small_esrt().state_dict()
    del state["tail.1.bias"]
    with pytest.raises(RuntimeError, match=r"tail\.1\.bias"):
        small_esrt().load_state_dict(state)


@pytest.mark.parametrize("settings", [{"scale": 5}, {"segments": 0}, {"channels": 18}])
def test_impossible_sizes_are_refused(settings):
    with pytest.raises(ValueError, match=r"scale|at least|divided"):
        ESRTConfig(**settings)
