"""The supernet: equality with the derived network, exact skipping, and which choices get gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lab.search.spaces import SMALL_A, SMALL_B, SMALL_RESIDUAL, supernet
from sparsesr.lab.nn.genotype import UP
from sparsesr.lab.search import slimming
from sparsesr.lab.search.architecture import Mixture
from sparsesr.lab.search.space import Space
from sparsesr.lab.search.supernet import Supernet

SPACES = pytest.mark.parametrize(("space", "scale"), [(SMALL_B, 4), (SMALL_A, 2), (SMALL_RESIDUAL, 2)])
IMAGE = torch.rand(2, 3, 10, 8, generator=torch.Generator().manual_seed(1))


@SPACES
@pytest.mark.parametrize("seed", range(4))
def test_the_derived_network_computes_the_same(space, scale, seed):
    network = supernet(space, scale, seed).eval()
    network.architecture.radius = 1.0
    derived = network.derive().eval()
    torch.testing.assert_close(derived(IMAGE), network(IMAGE), rtol=0, atol=1e-5)
    assert derived(IMAGE).shape == (2, 3, 10 * scale, 8 * scale)


def test_every_path_can_be_derived():
    network = supernet(SMALL_B, 4).eval()
    network.architecture.radius = 1.0
    for node in SMALL_B.tree.nodes:
        with torch.no_grad():
            network.architecture.node_logits.zero_()[node.index] = 1.0
        derived = network.derive().eval()
        assert derived.config.path == node.path
        torch.testing.assert_close(derived(IMAGE), network(IMAGE), rtol=0, atol=1e-5)


def test_inheritance_is_not_a_near_no_op():
    """Published code copies head, up blocks and tail only; every tensor here must come from the supernet."""
    network = supernet(SMALL_B, 4)
    for parameter in network.weights():
        nn.init.constant_(parameter, 7.0)
    assert all((parameter == 7.0).all() for parameter in network.derive().parameters())


@SPACES
def test_one_pass_against_a_plain_sum_over_all_networks(space, scale):
    """With one-hot operations, the mixture over nodes is the weighted sum of the nodes' bodies."""
    network = supernet(space, scale).eval()
    architecture = network.architecture
    one_hot, mixture = architecture.mixture(1.0), architecture.mixture(0.3)
    features: dict[int, torch.Tensor] = {}

    def body_of(index):
        def body(feat):
            weights = torch.zeros_like(mixture.nodes_N)
            weights[index] = 1.0
            return features.setdefault(index, _body(network, Mixture(weights, one_hot.operations), feat))

        return body

    def summed(feat):
        return sum(mixture.nodes_N[index] * body_of(index)(feat) for index in architecture.legal)

    expected = network.frame(IMAGE, summed)
    found = network.run(IMAGE, Mixture(mixture.nodes_N, one_hot.operations), architecture.best_widths())
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def _body(network, mixture, feat):
    captured = []

    def frame(image, body):
        captured.append(body(feat))
        return captured[0]

    original, network.frame = network.frame, _Capture(frame)
    network.run(IMAGE, mixture, network.architecture.best_widths())
    network.frame = original
    return captured[0]


class _Capture(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, image, body):
        return self.function(image, body)


def operations_run(network: Supernet, monkeypatch, radius: float) -> int:
    count = 0

    def counted(name, operation, feat, c_out):
        nonlocal count
        count += 1
        return slimming.run_slimmed(name, operation, feat, c_out)

    monkeypatch.setattr("sparsesr.lab.search.supernet.run_slimmed", counted)
    network.architecture.radius = radius
    with torch.no_grad():
        network.eval()(IMAGE)
    return count


def test_work_falls_as_the_radius_grows(monkeypatch):
    network = supernet(SMALL_B, 4)
    with torch.no_grad():
        network.architecture.node_logits.fill_(0.3)
        for logits in network.architecture.operation_logits:
            logits.mul_(0.02)
    runs = [operations_run(network, monkeypatch, radius) for radius in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert runs[0] == SMALL_B.tree.cells * 3 * 4  # everything
    assert runs == sorted(runs, reverse=True)
    assert runs[-1] <= 3 * 3  # one network of at most three cells


def test_skipped_choices_are_not_missed():
    """Branches and candidates of weight zero do not matter: their weights may hold anything."""
    network = supernet(SMALL_RESIDUAL, 2).eval()
    network.architecture.radius = 0.6
    before = network(IMAGE)
    mixture = network.architecture.mixture()
    with torch.no_grad():
        for place, weights in enumerate(mixture.operations):
            for cell, index in (weights == 0).nonzero().tolist():
                name = SMALL_RESIDUAL.candidates[place][index]
                nn.init.constant_(network.cells[cell][place][name].conv.weight, float("nan"))
    torch.testing.assert_close(network(IMAGE), before, rtol=0, atol=0)


def test_training_passes_are_sampled_largest_and_smallest():
    network = supernet(SMALL_RESIDUAL, 2).train()
    torch.manual_seed(5)
    passes = network(IMAGE).chunk(3)
    architecture, mixture = network.architecture, network.architecture.mixture()
    for found, largest in zip(passes[1:], (True, False), strict=True):
        widths = architecture.extreme_widths(largest)
        torch.testing.assert_close(found, network.run(IMAGE, mixture, widths))


def test_only_the_sampled_pass_leads_widths():
    network = supernet(SMALL_RESIDUAL, 2).train()
    passes = network(IMAGE).chunk(3)
    logits = network.architecture.width_logits
    for index, part in enumerate(passes):
        (gradient,) = torch.autograd.grad(part.square().mean(), logits, retain_graph=True, allow_unused=True)
        assert (gradient is not None and bool(gradient.abs().sum() > 0)) is (index == 0)


def test_sampled_widths_are_one_hot_with_the_soft_gradient():
    architecture = supernet(SMALL_B, 4).architecture
    torch.manual_seed(0)
    widths = architecture.sampled_widths()
    assert widths.detach().sum(-1).allclose(torch.ones(widths.shape[:2]))
    torch.testing.assert_close(widths.detach().amax(-1), torch.ones(widths.shape[:2]))
    (gradient,) = torch.autograd.grad(widths[..., 0].sum(), architecture.width_logits)
    torch.testing.assert_close(gradient.sum(-1), torch.zeros(widths.shape[:2]), rtol=0, atol=1e-6)
    assert gradient.abs().sum() > 0


def test_widths_are_drawn_by_their_logits():
    architecture = supernet(SMALL_B, 4).architecture
    with torch.no_grad():
        architecture.width_logits.copy_(torch.tensor([0.0, 1.0]).expand_as(architecture.width_logits))
    torch.manual_seed(0)
    share = torch.stack([architecture.sampled_widths().detach() for _ in range(400)]).mean((0, 1, 2))
    torch.testing.assert_close(share, torch.softmax(torch.tensor([0.0, 1.0]), 0), rtol=0, atol=0.02)


def test_a_narrow_depthwise_block_uses_the_leading_hidden_channels():
    """Hidden channels of dwsblock follow the input width (the public supernet keeps 256)."""
    wide = slimming.widest("dwsblock", 16, 16)
    image = torch.rand(1, 8, 6, 6)
    found = slimming.run_slimmed("dwsblock", wide, image, 12)
    expand, depthwise, project, shortcut = (
        getattr(wide, name).weight for name in ("expand", "depthwise", "project", "shortcut")
    )
    hidden = torch.relu(nn.functional.conv2d(image, expand[:32, :8]))
    hidden = torch.relu(nn.functional.conv2d(hidden, depthwise[:32], padding=1, groups=32))
    expected = nn.functional.conv2d(hidden, project[:12, :32])
    expected = torch.relu(expected + nn.functional.conv2d(image, shortcut[:12, :8]))
    torch.testing.assert_close(found, expected)


def test_family_a_sums_only_networks_that_reach_the_scale():
    network = supernet(SMALL_A, 2)
    weights = network.architecture.mixture(0.0).nodes_N
    for node in SMALL_A.tree.nodes:
        assert (weights[node.index] > 0) == (node.path.count(UP) == 1)


def test_the_published_supernet_has_its_size():
    with torch.device("meta"):
        cells = Supernet(Space(channels=64), 4).cells
    assert len(cells) == 35 and sum(len(cell) * len(cell[0]) for cell in cells) == 35 * 5 * 4
