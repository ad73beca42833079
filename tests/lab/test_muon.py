"""Muon: orthogonal updates, and Adam for all other parameters."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from sparsesr.lab.train.muon import Muon, muon_groups, orthogonalised  # noqa: E402


@pytest.mark.parametrize("shape", [(3, 16, 64), (2, 16, 144), (1, 200, 24)])
def test_singular_values_become_similar(shape):
    torch.manual_seed(0)
    made = orthogonalised(torch.randn(shape) @ torch.diag(torch.logspace(-1, 1, shape[-1])))
    values = torch.linalg.svdvals(made)
    assert made.shape == shape and values.min() > 0.3 and values.max() < 1.3


def test_an_update_keeps_the_singular_vectors():
    torch.manual_seed(0)
    matrix = torch.randn(24, 40)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonalised(matrix[None])[0] @ right.T
    off_diagonal = found - torch.diag(found.diag())
    assert off_diagonal.abs().max() < 0.02


def test_only_feature_to_feature_convolutions_are_matrices():
    layers = [torch.nn.Conv2d(*sizes, 3) for sizes in ((3, 32), (32, 32), (32, 12))]
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    matrices, others = muon_groups(parameters, [], 1.0)
    assert [id(p) for p in matrices["params"]] == [id(layers[1].weight)]
    assert len(others["params"]) == 5 and others["lr_factor"] < matrices["lr_factor"] == 1


def test_others_are_updated_as_by_adam():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(5)) for _ in range(2))
    muon = Muon(muon_groups([ours], [], 1.0), 1e-2, (0.9, 0.99))
    adam = torch.optim.Adam([theirs], 1e-2, (0.9, 0.99))
    for _ in range(5):
        gradient = torch.randn(5)
        for parameter, optimizer in ((ours, muon), (theirs, adam)):
            parameter.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_a_step_moves_weights_by_the_rate():
    """The root mean square of an update is 0.2 times the rate, as is typical for Adam."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(32, 32, 3, 3))
    muon = Muon(muon_groups([weight], [], 1.0), 0.1, (0.9, 0.99))
    weight.grad = torch.randn_like(weight)
    muon.step()
    assert weight.square().mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.2)


def test_weights_decay_beside_the_update():
    start = torch.randn(16, 16, 3, 3)
    with_decay, without = (torch.nn.Parameter(start.clone()) for _ in range(2))
    for weight, decay in ((with_decay, 0.5), (without, 0.0)):
        muon = Muon(muon_groups([weight], [], 1.0), 0.1, (0.9, 0.99), weight_decay=decay)
        weight.grad = torch.ones_like(weight)
        muon.step()
    torch.testing.assert_close(with_decay, without - 0.1 * 0.5 * start)
