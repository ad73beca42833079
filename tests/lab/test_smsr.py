"""SMSR against its specification: sizes, the sparse convolution, and pitfalls of reimplementation."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from lab.smsr_cases import choose_dense, random_image, small_smsr
from sparsesr.lab.nn.layers.sparse_mask import MaskedConvolutions
from sparsesr.lab.nn.layers.spatial_mask import density
from sparsesr.lab.nn.smsr import SMSR, SMSRConfig
from sparsesr.lab.sparsity.gumbel import gumbel_softmax
from sparsesr.lab.sparsity.schedules import temperature_at, warmup_at


@pytest.mark.parametrize(("scale", "total"), [(2, 984_746), (3, 993_401), (4, 1_005_518)])
def test_parameter_totals(scale, total):
    counts = SMSR(SMSRConfig(scale=scale)).parameter_counts()
    assert counts == {"network": total, "channel_masks": 2560, "mean_shift": 24}


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_output_is_scale_times_larger(scale):
    with torch.no_grad():
        assert small_smsr(scale=scale)(random_image(6, 8)).shape == (1, 3, 6 * scale, 8 * scale)


# --- the sparse convolution ---


def masked_block(counts, channels: int = 6, seed: int = 0) -> MaskedConvolutions:
    torch.manual_seed(seed)
    block = MaskedConvolutions(channels, len(counts)).eval()
    with torch.no_grad():
        choose_dense(block.ch_mask, counts)
    return block


def four_sub_kernels(block: MaskedConvolutions, feat, mask):
    """The literal definition: separate dense and sparse maps, each sub-kernel applied where it belongs."""
    is_dense = block.is_dense_CL()
    previous_dense = torch.ones(feat.shape[1], dtype=torch.bool)
    dense_map, sparse_map = feat, torch.zeros_like(feat)
    outputs = []
    for layer, conv in enumerate(block.body):
        rows, columns, weight = is_dense[:, layer], previous_dense, conv.weight
        new_dense, new_sparse = torch.zeros_like(feat), torch.zeros_like(feat)

        def part(to, of, value, weight=weight):
            chosen = torch.zeros_like(weight)
            chosen[to[:, None] & of[None, :]] = weight[to[:, None] & of[None, :]]
            return functional.conv2d(value, chosen, padding=1)

        new_dense += part(rows, columns, dense_map)
        new_sparse += part(~rows, columns, dense_map) * mask
        new_dense += part(rows, ~columns, sparse_map) * mask
        new_sparse += part(~rows, ~columns, sparse_map) * mask
        dense_map, sparse_map, previous_dense = new_dense.relu(), new_sparse.relu(), rows
        outputs.append(dense_map + sparse_map)
    return block.collect(torch.cat(outputs, dim=1))


@pytest.mark.parametrize("counts", [(2, 4, 1), (0, 0, 0), (6, 6, 6), (0, 6, 0), (6, 0, 3)])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_masked_emulation_equals_the_four_sub_kernels(counts, share):
    block = masked_block(counts)
    feat = torch.randn(1, 6, 9, 7)
    mask = (torch.rand(1, 1, 9, 7) < share).float()
    with torch.no_grad():
        got = block(feat, mask, block.dense_shares_CL(1.0))
        torch.testing.assert_close(got, four_sub_kernels(block, feat, mask), atol=1e-5, rtol=1e-5)


def test_input_is_split_by_the_previous_layers_mask():
    block = masked_block((6, 0))
    feat, off = torch.randn(1, 6, 5, 5), torch.zeros(1, 1, 5, 5)
    with torch.no_grad():
        block.ch_mask[0, :, 1] = torch.tensor([2.0, -2.0])  # now layer 2 is all dense too
        got = block(feat, off, block.dense_shares_CL(1.0))
        block.ch_mask[0, :, 0] = torch.tensor([-2.0, 2.0])  # layer 1 is sparse: zero at inactive pixels
        nothing = block(feat, off, block.dense_shares_CL(1.0))
    assert (got - got.mean()).abs().max() > 1e-3
    torch.testing.assert_close(nothing, block.collect.bias.reshape(1, -1, 1, 1).expand_as(nothing))


def test_relu_comes_before_the_next_masked_layer():
    block = masked_block((6, 6))
    feat, on = torch.randn(1, 6, 5, 5), torch.ones(1, 1, 5, 5)
    with torch.no_grad():
        first = functional.conv2d(feat, block.body[0].weight, padding=1).relu()
        second = functional.conv2d(first, block.body[1].weight, padding=1).relu()
        expected = block.collect(torch.cat([first, second], dim=1))
        torch.testing.assert_close(block(feat, on, block.dense_shares_CL(1.0)), expected)


def test_collect_reads_layer_by_layer():
    block = masked_block((6, 6))
    feat, on = torch.randn(1, 6, 5, 5), torch.ones(1, 1, 5, 5)
    with torch.no_grad():
        block.collect.weight.zero_()
        block.collect.bias.zero_()
        block.collect.weight[2, 6 + 4] = 1  # channel 4 of the second layer
        first = functional.conv2d(feat, block.body[0].weight, padding=1).relu()
        second = functional.conv2d(first, block.body[1].weight, padding=1).relu()
        got = block(feat, on, block.dense_shares_CL(1.0))
    torch.testing.assert_close(got[:, 2], second[:, 4])


def test_a_tie_keeps_the_channel():
    block = masked_block((2, 2))
    with torch.no_grad():
        block.ch_mask.zero_()
    assert not block.is_dense_CL().any()
    assert not block.dense_shares_CL(1.0).any()
    with torch.no_grad():
        on = torch.ones(1, 1, 4, 4)
        tied = block(torch.ones(1, 6, 4, 4), on, block.dense_shares_CL(1.0))
        choose_dense(block.ch_mask, (6, 6))
        dense = block(torch.ones(1, 6, 4, 4), on, block.dense_shares_CL(1.0))
    torch.testing.assert_close(tied, dense)


def test_frozen_channel_masks_give_the_same_numbers():
    module = small_smsr().train()
    module.freeze_channel_masks()
    block = module.mask_units()[0].body
    feat, mask = torch.randn(2, 8, 6, 6), torch.rand(2, 1, 6, 6)
    shares = block.dense_shares_CL(0.7)
    frozen = block(feat, mask, shares)
    block.is_channel_mask_frozen = False
    torch.testing.assert_close(block(feat, mask, shares), frozen, atol=1e-5, rtol=1e-5)


# --- densities, masks, gradients ---


def test_density_is_the_mean_over_channels_layers_and_pixels():
    mask, dense = torch.rand(2, 1, 4, 6), torch.rand(8, 3)
    shares = dense.T.reshape(1, 3, 8, 1, 1)
    brute_force = (mask[:, None] * (1 - shares) + shares).mean()
    torch.testing.assert_close(density(mask, dense), brute_force)


def test_density_is_differentiable_in_training():
    module = small_smsr().train()
    module(random_image())
    module.density().backward()
    for part in module.mask_units():
        assert part.body.ch_mask.grad.abs().sum() > 0
        assert part.spa_mask[0].weight.grad.abs().sum() > 0


def test_gumbel_samples_follow_the_logits_and_sharpen_with_temperature():
    torch.manual_seed(0)
    logits = torch.tensor([1.0, 0.0]).expand(20_000, 2)
    warm, cold = gumbel_softmax(logits, 1, 1.0), gumbel_softmax(logits, 1, 0.1)
    assert abs((warm[:, 0] > 0.5).float().mean() - torch.sigmoid(torch.tensor(1.0))) < 0.02
    assert (cold - 0.5).abs().mean() > (warm - 0.5).abs().mean()
    assert torch.isfinite(gumbel_softmax(torch.zeros(1000, 2), 1, 1e-3)).all()


def test_hard_mask_is_strictly_greater():
    part = small_smsr().mask_units()[0]
    logits = torch.tensor([[0.0, 1.0, -1.0], [0.0, 2.0, -2.0]]).reshape(1, 2, 1, 3)
    assert part._spatial_mask(logits).flatten().tolist() == [0, 1, 0]


def test_schedules():
    assert temperature_at(0) == 1 and temperature_at(0.15) == pytest.approx(0.7)
    assert temperature_at(0.3) == pytest.approx(0.4) and temperature_at(1) == 0.4
    assert (
        warmup_at(0) == 0 and warmup_at(0.025) == pytest.approx(0.5) and warmup_at(0.05) == warmup_at(1) == 1
    )


def test_temperature_reaches_every_module():
    module = small_smsr()
    module.set_temperature(0.5)
    assert {part.temperature for part in module.mask_units()} == {0.5}


# --- the whole network ---


@pytest.mark.parametrize("size", [(5, 6), (6, 5)])
def test_odd_sizes_are_refused(size):
    with pytest.raises(ValueError, match="even"):
        small_smsr()(random_image(*size))


def test_attention_sees_the_whole_image():
    attention = small_smsr().mask_units()[0].ca
    feat = torch.randn(1, 8, 40, 40)
    changed = feat.clone()
    changed[:, :, -1, -1] += 100
    assert not torch.equal(attention(feat)[..., 0, 0], attention(changed)[..., 0, 0])


def test_skip_is_torch_bicubic_of_the_image_minus_its_mean():
    module = small_smsr()
    with torch.no_grad():
        module.tail[0].weight.zero_()
        module.tail[0].bias.zero_()
        image = random_image()
        mean = torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)
        skip = (
            functional.interpolate(image - mean, scale_factor=2, mode="bicubic", align_corners=False) + mean
        )
        torch.testing.assert_close(module(image), skip, atol=1e-6, rtol=1e-5)


def test_value_range_is_only_a_unit():
    """A network for 0..255 equals one for 0..1 with rescaled first and last layers."""
    large, unit = small_smsr(value_range=255.0), small_smsr(value_range=1.0)
    weights = large.state_dict()
    with torch.no_grad():
        unit.load_state_dict(weights)
        unit.sub_mean.bias.div_(255)
        unit.add_mean.bias.div_(255)
        unit.head[0].weight.mul_(255)
        unit.tail[0].weight.div_(255)
        unit.tail[0].bias.div_(255)
        torch.testing.assert_close(unit(random_image()), large(random_image()), atol=1e-5, rtol=1e-5)


def test_open_masks_keep_every_pixel_and_channel():
    module = small_smsr()
    module.open_masks()
    opened, density = module(random_image()), module.density()
    module.open_masks(False)
    with torch.no_grad():
        for part in module.mask_units():
            choose_dense(part.body.ch_mask, [8, 8, 8])
    torch.testing.assert_close(opened, module(random_image()), atol=1e-5, rtol=1e-5)
    assert density == 1
    assert opened.requires_grad, "a training may begin like this"


def test_loading_is_strict():
    state = small_smsr().state_dict()
    del state["tail.0.bias"]
    with pytest.raises(RuntimeError, match=r"tail\.0\.bias"):
        small_smsr().load_state_dict(state)
