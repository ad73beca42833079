"""Gumbel masks and schedules."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from benchmarks.fixed_masks import (  # noqa: E402
    edge_source,
    edge_strength_B1HW,
    fix_masks,
    random_source,
)

from lab.skim_cases import small_skim  # noqa: E402
from lab.smsr_cases import small_smsr  # noqa: E402
from sparsesr.lab.sparsity.control import DensityControl  # noqa: E402
from sparsesr.lab.sparsity.gumbel import gumbel_noise_like, gumbel_softmax  # noqa: E402
from sparsesr.lab.sparsity.lesson import interpolation_log_error_B1HW, lesson_loss  # noqa: E402
from sparsesr.lab.sparsity.schedules import temperature_at, warmup_at  # noqa: E402
from sparsesr.lab.sparsity.threshold import (  # noqa: E402
    active_share_for,
    away_from_border,
    gap_figures,
    mean_and_spread,
    threshold_shift,
)


def test_noise_has_the_moments_of_a_gumbel_distribution():
    torch.manual_seed(0)
    noise = gumbel_noise_like(torch.zeros(400_000))
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)
    assert noise.var().item() == pytest.approx(torch.pi**2 / 6, abs=0.03)
    assert torch.isfinite(noise).all()


def test_samples_follow_the_softmax():
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0]).expand(50_000, 2)
    sample = gumbel_softmax(logits, dim=1, temperature=0.4)
    assert torch.allclose(sample.sum(1), torch.ones(50_000))
    assert (sample[:, 1] > 0.5).float().mean().item() == pytest.approx(0.731, abs=0.01)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="positive"):
        gumbel_softmax(torch.zeros(2, 2), dim=1, temperature=temperature)


def test_temperature_falls_linearly_then_stays():
    # The paper: 1 - (epoch - 1) / 500, not below 0.4, in 1000 epochs.
    assert [temperature_at(p) for p in (0, 0.1, 0.3, 1)] == pytest.approx([1, 0.8, 0.4, 0.4])
    assert temperature_at(0.2, decay_fraction=0) == 0.4


def test_warm_up_is_linear():
    assert [warmup_at(p) for p in (0, 0.025, 0.05, 1)] == pytest.approx([0, 0.5, 1, 1])
    assert warmup_at(0, warmup_fraction=0) == 1


@pytest.mark.parametrize("benefit", [0.01, 0.1, 1.0, 5.0])
def test_the_controller_reaches_its_target(benefit):
    """Simulates one logit per module: keeping has a saturating ``benefit`` and costs the weight."""
    control, logits = DensityControl(3, largest_weight=10.0, module_floor=0.05), [3.0, 2.0, 1.0]
    for step in range(0, 6000, 10):
        target = max(1 - step / 1000, 0.5)
        weights = control.weights(target)
        for index, weight in enumerate(weights):
            density = 1 / (1 + math.exp(-logits[index]))
            pull = benefit * (1 + index) * (1 - density) - weight * density
            logits[index] += 0.1 * pull / (abs(pull) + 0.05)  # Adam's steps have a constant size
        control.observe([1 / (1 + math.exp(-logit)) for logit in logits], target, 10)
    assert control.mean_density == pytest.approx(0.5, abs=0.05)


def test_the_controller_opens_masks_far_below_target_or_floor():
    control = DensityControl(2, largest_weight=10.0, module_floor=0.05)
    assert control.weights(0.5) == [0.0, 0.0]  # no observation yet
    for _ in range(20):
        control.observe([0.2, 0.2], 0.5, 10)
    assert max(control.weights(0.5)) < 0
    for _ in range(20):
        control.observe([0.01, 0.99], 0.3, 10)
    closed, other = control.weights(0.3)
    assert closed < 0 < other


@pytest.mark.parametrize(("dense_share", "expected"), [(0.0, 0.6), (0.2, 0.5), (0.9, 0.0)])
def test_dense_channels_leave_less_for_pixels(dense_share, expected):
    assert active_share_for(0.6, torch.tensor(dense_share)).item() == pytest.approx(expected)


@pytest.mark.parametrize("wanted", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("spread", [3.0, 0.1])
def test_the_threshold_settles_at_the_share_over_all_batches(wanted, spread):
    """Every batch is either flat or textured; the wanted share applies to their average."""
    torch.manual_seed(0)
    shift, seen = torch.tensor(-2 * spread), []
    for _ in range(600):
        figures = gap_figures(spread * (torch.randn(2, 1, 20, 20) + 2 * torch.randn(())) + shift)
        seen.append(figures[2].item())
        shift = shift + threshold_shift(figures, torch.tensor(wanted))
    assert sum(seen[200:]) / 400 == pytest.approx(wanted, abs=0.06)
    assert wanted == 0 or max(seen[200:]) - min(seen[200:]) > 0.3


def test_figures_of_parts_average_to_those_of_the_whole():
    gap = 2 * torch.randn(4, 1, 6, 6)
    parts = torch.stack([gap_figures(part) for part in gap.chunk(2)])
    torch.testing.assert_close(parts.mean(0), gap_figures(gap))


def test_borders_are_cropped_but_never_everything():
    assert away_from_border(torch.zeros(1, 1, 48, 40)).shape == (1, 1, 32, 24)
    assert away_from_border(torch.zeros(1, 1, 8, 2)).shape == (1, 1, 4, 2)


def test_the_lesson_is_the_logarithm_of_the_interpolation_error():
    def upsample(image):
        return torch.repeat_interleave(torch.repeat_interleave(image, 2, 2), 2, 3)

    lr = torch.full((1, 3, 12, 12), 0.5)
    hr = upsample(lr)
    hr[..., 12:, :] += 0.1
    found = interpolation_log_error_B1HW(lr, hr, upsample)
    expected = torch.full((1, 1, 12, 12), math.log(0.002))
    expected[:, :, 5] = math.log(0.1 / 3 + 0.002)
    expected[:, :, 6] = math.log(0.2 / 3 + 0.002)
    expected[:, :, 7:] = math.log(0.102)
    torch.testing.assert_close(found, expected)


def test_a_lesson_teaches_the_heads_detail_and_does_not_change_the_network():
    torch.manual_seed(0)
    network = small_smsr(mask_channels=8).train()
    network.open_masks()
    network.teach_masks()
    modules = network.mask_units()
    for module in modules:
        module.start_masks(3.0, -1.0)
    lr = torch.rand(1, 3, 24, 24)
    lr[..., 12:] = 0.5  # flat
    log_error = torch.zeros(1, 1, 24, 24)
    log_error[..., 12:] = -2.0
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(150):
        network(lr)
        loss = lesson_loss([module.last_gap_B1HW for module in modules], log_error, torch.full((2,), 3.0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert _have_gradients(network) == {"spa_mask"}
    for module in modules:
        textured, flat = module.last_gap_B1HW.detach()[..., 2:-2, 2:-2].split([10, 10], dim=3)
        assert textured.mean() > flat.mean() + 1


def test_taught_heads_pass_no_gradient_to_features_when_masks_are_on():
    network = small_smsr().train()
    network.harden_spatial_masks()
    for is_taught, shaped in ((True, {"spa_mask"}), (False, {"spa_mask", "head", "body", "ca", "collect"})):
        network.zero_grad(set_to_none=True)
        network.teach_masks(is_taught)
        network(torch.rand(1, 3, 12, 12))
        torch.stack([module.last_density for module in network.mask_units()]).sum().backward()
        assert _have_gradients(network) - {"ch_mask"} <= shaped
        assert ("head" in _have_gradients(network)) == (not is_taught)


def _have_gradients(network) -> set[str]:
    """Names of the network parts with a nonzero gradient."""
    names = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    parts = ("spa_mask", "ch_mask", "ca", "collect", "head", "tail", "body")
    return {next(part for part in parts if f".{part}." in f".{name}.") for name in names}


def test_hard_masks_in_training_are_those_of_evaluation_and_pass_gradients():
    torch.manual_seed(0)
    network = small_smsr()
    module = network.mask_units()[0]
    module.scale_gap(torch.tensor(5.0))
    network.harden_spatial_masks()
    network.freeze_channel_masks()
    feature = torch.rand(2, module.spa_mask[0].in_channels, 8, 8)
    trained = module.train()(feature)
    mask = module.last_mask_B1HW
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(module.eval()(feature), trained)
    assert torch.equal(module.last_mask_B1HW, mask)
    trained.sum().backward()
    assert module.spa_mask[-1].weight.grad.abs().sum() > 0


def test_masks_start_without_a_preference_for_upscaling_phases():
    torch.manual_seed(0)
    module = small_smsr().mask_units()[0].eval()
    module.start_masks(3.0, -1.0)
    module(torch.ones(1, module.spa_mask[0].in_channels, 24, 24))
    inside = module.last_gap_B1HW[
        0, 0, 8:-8, 8:-8
    ]  # away from the border, all logits of a flat image are equal
    assert inside.std() < 1e-6
    assert inside.mean().item() == pytest.approx(3.0, abs=0.5)


def test_the_gap_of_a_module_can_be_moved_and_scaled():
    network = small_smsr()
    module = network.mask_units()[0].eval()
    feature = torch.rand(1, module.spa_mask[0].in_channels, 8, 8)
    module(feature)
    mean, spread = mean_and_spread(gap_figures(module.last_gap_B1HW))
    module.scale_gap(1 / spread)
    module.shift_gap(0.5 - mean / spread)
    module(feature)
    found = [value.item() for value in mean_and_spread(gap_figures(module.last_gap_B1HW))]
    assert found == pytest.approx([0.5, 1.0], abs=1e-4)


@pytest.mark.parametrize("network", [small_smsr(), small_skim()], ids=["smsr", "skim"])
def test_masks_can_be_predicted_without_the_result(network):
    image = torch.rand(2, 3, 12, 10)
    with torch.no_grad():
        network.eval()(image)
        whole = [unit.last_gap_B1HW for unit in network.mask_units()]
        network(1 - image)
        network.predict_masks(image)
    assert all(
        torch.equal(unit.last_gap_B1HW, gap) for unit, gap in zip(network.mask_units(), whole, strict=True)
    )


def test_dense_channels_are_limited_but_never_added():
    torch.manual_seed(0)
    body = small_smsr().mask_units()[0].body
    body.ch_mask.data.copy_(torch.randn_like(body.ch_mask) + torch.tensor([1.0, 0.0]))
    assert body.is_dense_CL().float().mean() > 0.3
    for _ in range(40):
        body.limit_dense(0.25, 0.3)
    assert body.is_dense_CL().float().mean().item() == pytest.approx(0.25, abs=0.05)
    body.ch_mask.data.copy_(torch.tensor([-1.0, 1.0]).expand_as(body.ch_mask))
    before = body.ch_mask.clone()
    body.limit_dense(0.25, 0.3)
    assert torch.equal(body.ch_mask, before)


def test_the_state_of_the_controller_is_complete():
    control, other = (DensityControl(2, 10.0, 0.05) for _ in range(2))
    control.observe([0.9, 0.7], 0.6, 10)
    other.restore(control.state())
    assert other == control


def test_noise_of_parts_is_that_of_the_whole():
    logits = torch.randn(4, 2, 3, 3)
    torch.manual_seed(5)
    whole = gumbel_softmax(logits, 1, 0.5)
    for part in range(2):
        torch.manual_seed(5)
        assert torch.equal(
            gumbel_softmax(logits[2 * part : 2 * part + 2], 1, 0.5, (part, 2)), whole.chunk(2)[part]
        )


def test_fixed_masks_are_where_they_should_be():
    image = torch.zeros(1, 3, 8, 8)
    image[..., 4:] = 1
    assert edge_strength_B1HW(image)[0, 0, 3].tolist() == pytest.approx([0, 0, 0, 4, 4, 0, 0, 0])
    network = small_smsr()
    fix_masks(network, [edge_source(1.0), random_source(0.3)])
    network(image)
    edges, drawn = (module.last_mask_B1HW for module in network.mask_units())
    assert edges[0, 0].sum(0).tolist() == [0, 0, 0, 8, 8, 0, 0, 0]
    assert 0 < drawn.mean() < 0.6
