"""Thresholds of a classifier with exits for a budget over many images: RANet (CVPR 2020), as MSDNet (ICLR 2018) does.

Shape suffixes: E exits, N images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsesr.errors import Parameter, UsageError

_LOG_Q_RANGE, _HALVINGS = 40.0, 60


def geometric_shares(q: float, exits: int) -> NDArray[np.float64]:
    """Shares (E,) of the images that leave at each exit: proportional to q, q^2 and so on, for q > 0."""
    logs_E = math.log(q) * np.arange(1, exits + 1)
    weights_E = np.exp(logs_E - logs_E.max())
    return weights_E / weights_E.sum()


def fit_thresholds(confidence_EN: NDArray[np.float64], shares_E: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds (E,) at which the images leave in these shares; the last is -inf, since everybody leaves there.

    In order of the exits, the k-th most confident of the images that are left gives the threshold, k being the share
    of all images, rounded down. With fewer left, or k = 0, nobody leaves there (inf).
    """
    exits, count = confidence_EN.shape
    thresholds_E = np.full(exits, np.inf)
    thresholds_E[-1] = -np.inf
    left = np.ones(count, bool)
    for index in range(exits - 1):
        leaving = math.floor(count * shares_E[index] + 1e-9)
        candidates = confidence_EN[index, left]
        if 1 <= leaving <= len(candidates):
            thresholds_E[index] = np.partition(candidates, -leaving)[-leaving]
            left &= confidence_EN[index] < thresholds_E[index]
    return thresholds_E


def fixed_exit(number: int, exits: int) -> NDArray[np.float64]:
    """Thresholds (E,) with which every image leaves at exit ``number``, counted from 1.

    Raises:
        UsageError: there is no such exit.
    """
    if not 1 <= number <= exits:
        raise UsageError(f"{number} is none of the exits 1 to {exits}", where=Parameter("exit"))
    thresholds_E = np.full(exits, -np.inf)
    thresholds_E[: number - 1] = np.inf
    return thresholds_E


def exits_taken(confidence_EN: NDArray[np.float64], thresholds_E: NDArray[np.float64]) -> NDArray[np.int64]:
    """Exit (N,) of each image, counted from 0: the first where its confidence reaches the threshold."""
    return (confidence_EN >= thresholds_E[:, None]).argmax(0)


@dataclass(frozen=True)
class BudgetFit:
    """Thresholds for a budget."""

    thresholds: NDArray[np.float64]
    """(E,)."""
    q: float
    cost: float
    """Expected mean cost of an image, in the unit of the budget."""


def thresholds_for_budget(
    confidence_EN: NDArray[np.float64], costs: Sequence[float], budget: float
) -> BudgetFit:
    """The thresholds whose mean cost on these images comes closest to ``budget`` without exceeding it.

    Args:
        confidence_EN: confidences of held-out images.
        costs: cost up to each exit, rising.
        budget: mean cost of an image.

    Raises:
        UsageError: the budget is not a positive number, or below the cost of the first exit.
    """
    if not budget > 0 or math.isinf(budget):
        raise UsageError(f"{budget:g} must be a number above 0", where=Parameter("budget"))
    if budget < costs[0]:
        raise UsageError(
            f"{budget:g} is less than the first exit costs",
            where=Parameter("budget"),
            remedy=f"allow at least {costs[0]:.4g}, or choose a smaller network",
        )
    exits, costs_E = len(costs), np.asarray(costs, np.float64)
    if budget >= costs[-1]:
        return BudgetFit(fixed_exit(exits, exits), math.inf, float(costs_E[-1]))

    def fitted(log_q: float) -> BudgetFit:
        q = math.exp(log_q)
        thresholds_E = fit_thresholds(confidence_EN, geometric_shares(q, exits))
        return BudgetFit(thresholds_E, q, float(costs_E[exits_taken(confidence_EN, thresholds_E)].mean()))

    low, high = -_LOG_Q_RANGE, _LOG_Q_RANGE
    best = BudgetFit(fixed_exit(1, exits), 0.0, float(costs_E[0]))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = fitted(middle)
        if found.cost <= budget:
            low, best = middle, max(best, found, key=lambda fit: fit.cost)
        else:
            high = middle
    return best
