"""Sparsemax and sparsestmax against their defining optimisation, published values and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsesr.lab.search.projections import radius_at, sparsemax, sparsestmax

PLAIN, DROPPING = (0.5, 0.3, 0.2, 0.1), (1.2, 0.3, 0.9, 0.1)
# Values of the published SparsestMax code ("code"), and the same with the radius that is left on the first face.
VALUES = [
    (PLAIN, 0.0, "code", (0.475, 0.275, 0.175, 0.075)),
    (PLAIN, 0.3, "code", (0.4782, 0.2754, 0.1739, 0.0725)),
    (PLAIN, 0.6, "code", (0.7391, 0.2522, 0.0087, 0.0)),
    (PLAIN, 0.7, "code", (0.8464, 0.1536, 0.0, 0.0)),
    (PLAIN, 0.6, "paper", (0.7391, 0.2522, 0.0087, 0.0)),
    (DROPPING, 0.3, "code", (0.7121, 0.0, 0.2879, 0.0)),
    (DROPPING, 0.6, "code", (0.9243, 0.0, 0.0757, 0.0)),
    (DROPPING, 0.7, "code", (0.9950, 0.0, 0.0050, 0.0)),
    (DROPPING, 0.3, "paper", (0.65, 0.0, 0.35, 0.0)),
    (DROPPING, 0.6, "paper", (0.7345, 0.0, 0.2655, 0.0)),
    (DROPPING, 0.7, "paper", (0.8464, 0.0, 0.1536, 0.0)),
]


def rows(count: int, entries: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, entries, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("logits", "radius", "variant", "expected"), VALUES)
def test_known_values(logits, radius, variant, expected):
    found = sparsestmax(torch.tensor(logits, dtype=torch.float64), radius, variant)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    """Optimality: moving mass between any two entries that allow it never shortens the distance."""
    logits = rows(200, 6)
    found = sparsemax(logits)
    torch.testing.assert_close(found.sum(-1), torch.ones(200, dtype=torch.float64))
    assert (found >= 0).all()
    distance = (found - logits).numpy()
    for support, gap in zip((found > 0).numpy(), distance, strict=True):
        assert np.ptp(gap[support]) < 1e-12  # no gain within the support
        assert (gap[~support] >= gap[support].max() - 1e-12).all()  # nor by entering it


@pytest.mark.parametrize("variant", ["code", "paper"])
def test_results_are_outside_the_hole_ordered_and_sum_to_one(variant):
    logits = rows(500, 5)
    found = sparsestmax(logits, 0.7, variant)
    torch.testing.assert_close(found.sum(-1), torch.ones(500, dtype=torch.float64))
    assert ((found - 1 / 5).norm(dim=-1) >= 0.7 - 1e-9).all()
    by_logit = found.gather(-1, logits.argsort(-1))
    assert (by_logit.diff(dim=-1) >= -1e-12).all()


@pytest.mark.parametrize("entries", [1, 2, 4, 55])
def test_radius_one_leaves_the_best_entry(entries):
    logits = rows(2000, entries).float()
    found = sparsestmax(logits, 1.0)
    expected = torch.nn.functional.one_hot(logits.argmax(-1), entries).float()
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_rows_do_not_influence_each_other():
    logits = rows(50, 7)
    together = sparsestmax(logits, 0.6)
    torch.testing.assert_close(together, torch.stack([sparsestmax(row, 0.6) for row in logits]))


@pytest.mark.parametrize("variant", ["code", "paper"])
@pytest.mark.parametrize("radius", [0.0, 0.3, 0.6, 0.8])
def test_gradients(radius, variant):
    logits = rows(4, 4, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: sparsestmax(values, radius, variant), logits)


@pytest.mark.parametrize("radius", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("logits", [(0.3,) * 55, (0.5, 0.5, 0.0), (1.0, 1.0, 1.0, 0.9)])
def test_ties_are_finite(logits, radius):
    values = torch.tensor(logits, requires_grad=True)
    found = sparsestmax(values, radius)
    (found * torch.arange(len(logits))).sum().backward()
    assert found.isfinite().all() and values.grad.isfinite().all()
    assert abs(found.sum().item() - 1) < 1e-5
    if radius == 1.0:
        assert found[0] == 1


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="use code, paper"):
        sparsestmax(torch.zeros(2), 0.5, "other")


def test_the_radius_grows_from_zero_to_just_below_one():
    assert [radius_at(step, 4) for step in (1, 2, 3, 4)] == [0, 0.25, 0.5, 0.75]
