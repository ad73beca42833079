"""Division of one budget among many images: which level each of them gets.

A multiple-choice knapsack, solved by one Lagrange multiplier, the *price*: each image takes the level with the largest
gain - price * cost, so that the next unit of cost buys the same everywhere. Bisection finds the price at which the
budget is spent. Only levels on the concave hull of an image can be chosen; what they leave over is filled step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
"""(images, levels)."""
Levels = npt.NDArray[np.intp]
"""(images,)."""
_HALVINGS = 60


@dataclass(frozen=True)
class Allocation:
    """The level of each image."""

    levels: Levels
    price: float
    """Gain per unit of cost below which nothing more is bought; 0 if the budget is enough for everything."""
    cost: float
    """Their total cost; above the budget only if all levels are the cheapest."""


def allocate(gains: Values, costs: Values, budget: float) -> Allocation:
    """Choose levels with the largest total gain whose total cost is within ``budget``.

    Args:
        gains: (images, levels), any unit.
        costs: (images, levels), the unit of ``budget``.
        budget: total cost.

    Returns:
        The cheapest levels if even they exceed the budget.
    """
    everything = _levels_at(0.0, gains, costs)
    if _total(costs, everything) <= budget or len(gains) == 0:
        return Allocation(everything, 0.0, _total(costs, everything))
    cheapest = costs.argmin(axis=1)
    if _total(costs, cheapest) >= budget:
        return Allocation(cheapest, np.inf, _total(costs, cheapest))
    low, high = 0.0, _affordable_price(gains, costs, budget)
    for _ in range(_HALVINGS):
        price = (low + high) / 2
        if _total(costs, _levels_at(price, gains, costs)) <= budget:
            high = price
        else:
            low = price
    levels = _filled(_levels_at(high, gains, costs), _levels_at(low, gains, costs), gains, costs, budget)
    return Allocation(levels, high, _total(costs, levels))


def _affordable_price(gains: Values, costs: Values, budget: float) -> float:
    """A price that keeps within the budget. Infinity would: the cheapest levels do."""
    price = max(float(np.ptp(gains, axis=1).max()) / budget, np.finfo(np.float64).tiny)
    while _total(costs, _levels_at(price, gains, costs)) > budget:
        price *= 2
    return price


def _levels_at(price: float, gains: Values, costs: Values) -> Levels:
    """The best level of each image; of equal ones the cheapest."""
    value = gains - price * costs
    is_best = value >= value.max(axis=1, keepdims=True)
    return np.where(is_best, costs, np.inf).argmin(axis=1)


def _filled(levels: Levels, dearer: Levels, gains: Values, costs: Values, budget: float) -> Levels:
    """Levels, raised to ``dearer`` ones while the budget lasts, those first that gain most for their cost."""
    levels = levels.copy()
    left = budget - _total(costs, levels)
    extra = _at(costs, dearer) - _at(costs, levels)
    more = _at(gains, dearer) - _at(gains, levels)
    worth = np.divide(more, extra, out=np.zeros(len(extra)), where=extra > 0)
    for index in np.argsort(-worth, kind="stable"):
        if 0 < extra[index] <= left:
            levels[index] = dearer[index]
            left -= extra[index]
    return levels


def _at(values: Values, levels: Levels) -> npt.NDArray[Any]:
    return values[np.arange(len(levels)), levels]


def _total(costs: Values, levels: Levels) -> float:
    return float(_at(costs, levels).sum())
