"""Thresholds of exits: target shares, budgets, ties."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsesr.errors import UsageError
from sparsesr.lab.evaluate.confidence import confidence, probability
from sparsesr.lab.evaluate.exit_thresholds import (
    exits_taken,
    fit_thresholds,
    fixed_exit,
    geometric_shares,
    thresholds_for_budget,
)

COSTS = (8.36e6, 16.1e6, 22.2e6, 25.35e6, 29.89e6, 31.73e6)


def synthetic(exits: int = 6, count: int = 1000) -> np.ndarray:
    """Confidences of images that differ in difficulty, growing by exit."""
    random = np.random.default_rng(3)
    ease = random.normal(size=count)
    return np.array([ease + 0.5 * random.normal(size=count) + index for index in range(exits)])


def reference(confidence_EN: np.ndarray, shares: np.ndarray) -> list[float]:
    """The authors' loops over samples, written again."""
    exits, count = confidence_EN.shape
    thresholds, gone = [1e8] * exits, [False] * count
    for exit in range(exits - 1):
        order = sorted(range(count), key=lambda image: -confidence_EN[exit, image])
        wanted, seen = int(np.floor(count * shares[exit] + 1e-9)), 0
        for image in order:
            if not gone[image]:
                seen += 1
                if seen == wanted:
                    thresholds[exit] = confidence_EN[exit, image]
                    break
        for image in range(count):
            gone[image] |= bool(confidence_EN[exit, image] >= thresholds[exit])
    thresholds[-1] = -1e8
    return thresholds


@pytest.mark.parametrize("q", [0.05, 0.5, 1.0, 1.9])
def test_images_leave_in_the_target_shares(q: float) -> None:
    confidence_EN, shares = synthetic(), geometric_shares(q, 6)
    assert shares.sum() == pytest.approx(1) and shares[1] / shares[0] == pytest.approx(q)
    taken = exits_taken(confidence_EN, fit_thresholds(confidence_EN, shares))
    found = np.bincount(taken, minlength=6) / confidence_EN.shape[1]
    assert np.abs(found[:-1] - shares[:-1]).max() <= 1 / confidence_EN.shape[1]


@pytest.mark.parametrize("q", [0.05, 0.5, 1.0, 1.9])
def test_thresholds_are_those_of_loops_over_images(q: float) -> None:
    confidence_EN, shares = synthetic(count=200), geometric_shares(q, 6)
    found = np.clip(fit_thresholds(confidence_EN, shares), -1e8, 1e8)
    assert found.tolist() == reference(confidence_EN, shares)


def test_nobody_leaves_where_fewer_are_left_than_should() -> None:
    confidence_EN = np.array(
        [[5.0] * 8 + [1.0, 2.0], [3.0] * 10, [0.0] * 10]
    )  # eight ties leave instead of four
    thresholds = fit_thresholds(confidence_EN, np.array([0.4, 0.4, 0.2]))
    assert thresholds.tolist() == [5.0, np.inf, -np.inf]


def test_ties_of_saturated_probabilities_are_broken() -> None:
    """In float32 all of these probabilities are 1, and all images would leave at the first exit."""
    logits_NK = torch.stack([torch.tensor([gap, 0.0, -1.0]) for gap in np.linspace(30, 90, 100).tolist()])
    assert (logits_NK.softmax(-1).max(-1).values == 1).all()
    found_N = confidence(logits_NK)
    assert len(found_N.unique()) == 100
    both_EN = torch.stack([found_N, found_N]).numpy()
    taken = exits_taken(both_EN, fit_thresholds(both_EN, np.array([0.25, 0.75])))
    assert (taken == 0).sum() == 25


def test_confidence_ranks_as_the_probability() -> None:
    logits_NK = torch.randn(50, 10, generator=torch.Generator().manual_seed(1))
    largest_N = logits_NK.double().softmax(-1).max(-1).values
    torch.testing.assert_close(probability(confidence(logits_NK)), largest_N)


@pytest.mark.parametrize("budget", [8.36e6, 9e6, 15e6, 20e6, 31e6])
def test_a_budget_is_met(budget: float) -> None:
    confidence_EN = synthetic()
    fit = thresholds_for_budget(confidence_EN, COSTS, budget)
    spent = np.asarray(COSTS)[exits_taken(confidence_EN, fit.thresholds)].mean()
    assert fit.cost == pytest.approx(spent)
    assert 0.995 * budget - 5e4 <= spent <= budget


def test_a_large_budget_takes_the_last_exit() -> None:
    fit = thresholds_for_budget(synthetic(), COSTS, 1e12)
    assert fit.cost == COSTS[-1] and set(exits_taken(synthetic(), fit.thresholds)) == {5}


def test_one_held_out_image_is_enough() -> None:
    fit = thresholds_for_budget(synthetic(count=1), COSTS, 12e6)
    assert fit.cost <= 12e6


@pytest.mark.parametrize(
    ("budget", "says"),
    [(0, "above 0"), (-3, "above 0"), (float("nan"), "above 0"), (float("inf"), "above 0"), (8e6, "8.36e")],
)
def test_impossible_budgets_are_refused(budget: float, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        thresholds_for_budget(synthetic(), COSTS, budget)


@pytest.mark.parametrize("number", [0, 7, -1])
def test_an_exit_that_does_not_exist_is_refused(number: int) -> None:
    with pytest.raises(UsageError, match="exits 1 to 6"):
        fixed_exit(number, 6)
