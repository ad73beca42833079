"""Division of a budget, compared with trying every combination."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from sparsesr.engine.allocation import allocate


def problem(seed: int, images: int = 5, levels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Any gains, not concave, some negative; costs of a level differ from image to image and may tie."""
    rng = np.random.default_rng(seed)
    gains = np.concatenate(
        [np.zeros((images, 1)), rng.normal(3, 3, (images, levels - 1)).cumsum(axis=1)], axis=1
    )
    costs = rng.integers(0, 4, (images, levels)).cumsum(axis=1).astype(float) + 1
    return gains, costs


def best(gains: np.ndarray, costs: np.ndarray, budget: float) -> float:
    """The largest gain of all combinations within the budget."""
    rows = range(len(gains))
    found = [
        sum(gains[i, level] for i, level in zip(rows, levels, strict=True))
        for levels in product(range(gains.shape[1]), repeat=len(gains))
        if sum(costs[i, level] for i, level in zip(rows, levels, strict=True)) <= budget
    ]
    return max(found)


@pytest.mark.parametrize("seed", range(30))
def test_the_budget_is_kept_and_the_gain_is_within_one_step_of_the_best(seed):
    gains, costs = problem(seed)
    cheapest = costs.min(axis=1).sum()
    for budget in np.linspace(cheapest, costs.max(axis=1).sum(), 5):
        plan = allocate(gains, costs, float(budget))
        rows = np.arange(len(gains))
        assert plan.cost == costs[rows, plan.levels].sum() <= budget
        gain = gains[rows, plan.levels].sum()
        step = np.ptp(gains, axis=1).max()
        assert best(gains, costs, budget) - step <= gain <= best(gains, costs, budget) + 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_concave_gains_at_equal_steps_are_divided_best(seed):
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.uniform(0, 5, (4, 4)), axis=1)[:, ::-1]
    gains = np.concatenate([np.zeros((4, 1)), steps.cumsum(axis=1)], axis=1)
    costs = np.tile(np.arange(5.0), (4, 1))
    for budget in (1, 5, 9, 14):
        plan = allocate(gains, costs, budget)
        assert gains[np.arange(4), plan.levels].sum() == pytest.approx(best(gains, costs, budget))


def test_more_budget_never_gains_less():
    gains, costs = problem(1, images=40, levels=6)
    gains = np.maximum.accumulate(gains, axis=1)
    budgets = np.linspace(costs.min(axis=1).sum(), costs.max(axis=1).sum(), 30)
    plans = [allocate(gains, costs, budget) for budget in budgets]
    reached = [gains[np.arange(40), plan.levels].sum() for plan in plans]
    largest_step = np.ptp(gains, axis=1).max()
    assert all(later >= earlier - largest_step for earlier, later in pairwise(reached))
    assert [plan.price for plan in plans] == sorted((plan.price for plan in plans), reverse=True)


def test_a_budget_for_everything_takes_the_best_level_and_no_dearer_one():
    gains, costs = np.array([[0.0, 5.0, 5.0, 4.0]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    plan = allocate(gains, costs, 100)
    assert plan.levels.tolist() == [1] and plan.price == 0


@pytest.mark.parametrize("budget", [0, 1, 2])
def test_a_budget_that_is_too_small_gives_the_cheapest_levels(budget):
    gains, costs = problem(3)
    plan = allocate(gains, costs, budget)
    assert plan.levels.tolist() == costs.argmin(axis=1).tolist()
    assert np.isinf(plan.price)


def test_no_images():
    assert allocate(np.zeros((0, 3)), np.zeros((0, 3)), 5).levels.tolist() == []
