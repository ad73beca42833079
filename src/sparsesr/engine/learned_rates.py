"""``LearnedRates``: a cost as a sum of amounts times rates, where the rates follow what was measured last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rates = npt.NDArray[np.float64]

_MEMORY = 0.9
"""Weight of a measurement relative to the next one: the speed of a machine changes."""
_STIFFNESS = 0.02
"""Weight of the first guess, in measurements."""


class LearnedRates:
    """``cost = rate[0] * amount[0] + rate[1] * amount[1] ...``

    Rates are the first guess times corrections, which are fitted by least squares of relative errors, drawn towards
    1: so a rate that the measurements say nothing about keeps its guess.
    """

    def __init__(self, guess: Sequence[float]) -> None:
        """``guess``: rates, all positive."""
        self._guess: Rates = np.asarray(guess, np.float64)
        self._corrections: Rates = np.ones(len(guess))
        self._products: Rates = np.zeros((len(guess), len(guess)))
        self._residuals: Rates = np.zeros(len(guess))

    @property
    def rates(self) -> tuple[float, ...]:
        """The current rates, none negative."""
        return tuple(map(float, self._guess * self._corrections))

    def cost(self, *amounts: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
        """The cost of these amounts, which may be arrays."""
        total = np.zeros(())
        for rate, amount in zip(self.rates, amounts, strict=True):
            total = total + rate * np.asarray(amount, np.float64)
        return total

    def learn(self, cost: float, *amounts: float) -> None:
        """Take a measured cost into account; ignored unless it is positive."""
        if cost <= 0:
            return
        # Relative to the first guess, not to the measurement: that would favour measurements that are too low.
        guessed: Rates = self._guess * np.asarray(amounts, np.float64)
        shares: Rates = guessed / guessed.sum()
        target = cost / float(guessed.sum())
        self._products = _MEMORY * self._products + np.outer(shares, shares)
        self._residuals = _MEMORY * self._residuals + shares * (target - 1.0)
        drawn: Rates = np.diag(np.full(len(self._guess), _STIFFNESS))
        change = np.linalg.solve(self._products + drawn, self._residuals)
        self._corrections = np.maximum(change + 1.0, 0.0)
