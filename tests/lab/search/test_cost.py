"""Costs of mixtures against sums over all networks, and the order constraints."""

from __future__ import annotations

import itertools

import pytest
import torch

from lab.search.spaces import SMALL_A, SMALL_B, SMALL_RESIDUAL, supernet
from sparsesr.lab.search.cost import MixtureCost
from sparsesr.lab.search.order import hinge, telescoped
from sparsesr.lab.search.prices import Counted, price_of
from sparsesr.lab.search.space import Space

SPACES = pytest.mark.parametrize(("space", "scale"), [(SMALL_B, 4), (SMALL_A, 2), (SMALL_RESIDUAL, 2)])
TINY = Space(family="residual", channels=16, widths=(16, 48), operations_per_cell=2, most_cells=2, most_ups=0)


def macs(space, scale):
    return Counted("macs", space.family, space.channels, scale)


def test_the_expected_cost_is_the_mean_over_all_networks():
    network = supernet(TINY, 2)
    architecture = network.architecture
    mixture = architecture.mixture(0.2)
    widths = torch.softmax(architecture.width_logits, -1).tolist()
    nodes, operations = mixture.nodes_N.tolist(), [weights.tolist() for weights in mixture.operations]
    mean, total = 0.0, 0.0
    cells = range(TINY.tree.cells)
    for node in architecture.legal:
        for chosen in itertools.product(range(2), range(2), range(2), repeat=len(cells)):
            picks = [chosen[3 * cell : 3 * cell + 3] for cell in cells]
            share = nodes[node]
            for cell, (first, last, width) in enumerate(picks):
                share *= operations[0][cell][first] * operations[1][cell][last] * widths[cell][0][width]
            genotype = TINY.genotype(
                2, node, tuple(pick[:2] for pick in picks), tuple((pick[2],) for pick in picks)
            )
            mean += share * price_of(genotype, macs(TINY, 2))
            total += share
    assert total == pytest.approx(1, abs=1e-5)
    found = MixtureCost(TINY, macs(TINY, 2)).expected(architecture, mixture)
    assert found.item() == pytest.approx(mean, rel=1e-5)


@SPACES
def test_at_radius_one_the_active_cost_is_that_of_the_derived_network(space, scale):
    network = supernet(space, scale)
    architecture, cost = network.architecture, MixtureCost(space, macs(space, scale))
    active = cost.active(architecture.mixture(1.0), architecture.best_widths())
    assert active == pytest.approx(price_of(network.derive().config, macs(space, scale)), rel=1e-6)


@SPACES
def test_the_active_cost_falls_with_the_radius(space, scale):
    network = supernet(space, scale)
    architecture, cost = network.architecture, MixtureCost(space, macs(space, scale))
    widths = architecture.extreme_widths(True)
    active = [cost.active(architecture.mixture(step / 20), widths) for step in range(21)]
    assert active == sorted(active, reverse=True)
    assert active[-1] < active[0] <= cost.everything(architecture) * (1 + 1e-6)


def test_the_largest_network_is_the_dearest():
    architecture, cost = supernet(TINY, 2).architecture, MixtureCost(TINY, macs(TINY, 2))
    both = range(TINY.tree.cells)
    prices = [
        price_of(TINY.genotype(2, node, tuple(ops for _ in both), tuple((1,) for _ in both)), macs(TINY, 2))
        for node in architecture.legal
        for ops in itertools.product(range(2), repeat=2)
    ]
    assert cost.largest_network(architecture) == pytest.approx(max(prices), rel=1e-6)


def test_the_cost_leads_all_three_levels():
    architecture = supernet(SMALL_B, 4).architecture
    cost = MixtureCost(SMALL_B, macs(SMALL_B, 4)).expected(architecture, architecture.mixture(0.1))
    gradients = torch.autograd.grad(cost, list(architecture.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_telescoped_order_reaches_only_root_and_leaves():
    architecture = supernet(SMALL_B, 4).architecture
    loss = telescoped(architecture, architecture.mixture(0.0))
    logits = architecture.node_logits
    by_paths = sum(
        logits[child] - logits[parent]
        for leaf in SMALL_B.tree.leaves
        for parent, child in _edges_to(leaf.index, SMALL_B)
    )
    torch.testing.assert_close(loss, by_paths)
    (gradient,) = torch.autograd.grad(loss, logits)
    leaves = {leaf.index for leaf in SMALL_B.tree.leaves}
    for node in SMALL_B.tree.nodes:
        assert float(gradient[node.index]) == (-len(leaves) if node.index == 0 else node.index in leaves)


def test_hinge_is_zero_exactly_when_no_child_outweighs_its_parent():
    architecture = supernet(SMALL_B, 4).architecture
    with torch.no_grad():
        architecture.node_logits.copy_(torch.tensor([-0.01 * len(n.path) for n in SMALL_B.tree.nodes]))
    assert hinge(architecture, architecture.mixture(0.0)).item() == 0
    with torch.no_grad():
        architecture.node_logits[SMALL_B.tree.edges[-1][1]] += 0.05
    loss = hinge(architecture, architecture.mixture(0.0))
    parent, child = SMALL_B.tree.edges[-1]
    weights = architecture.mixture(0.0).nodes_N.tolist()
    assert loss.item() == pytest.approx(weights[child] - weights[parent], rel=1e-5)


def _edges_to(index, space):
    parent = space.tree.nodes[index].parent
    return [] if parent is None else [*_edges_to(parent, space), (parent, index)]
