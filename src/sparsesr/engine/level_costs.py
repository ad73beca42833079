"""What each level of an image costs: milliseconds on this machine, or multiply-adds; both learn from finished images.

Time has three parts: the network, by its measured cost model (:mod:`sparsesr.engine.target`); bicubic; and everything
outside, such as decoding, encoding and reporting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sparsesr.engine.forecast import LEVELS, Forecast
from sparsesr.engine.learned_rates import LearnedRates
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.target import CostModel

Costs = npt.NDArray[np.float64]
"""(images, levels)."""


class LevelCosts(Protocol):
    """Costs in one unit."""

    def of(self, forecasts: Sequence[Forecast]) -> Costs:
        """Expected cost of each image at each level."""
        ...

    def learn(self, forecast: Forecast, level: int, done: UpscaleResult, passed_ms: float) -> float:
        """Take a finished image into account, and return its real cost.

        ``passed_ms``: time since the image before it was finished.
        """
        ...


@dataclass(frozen=True)
class FirstRates:
    """First guesses, in milliseconds, measured on a part of an image."""

    bicubic_px: float
    """Per pixel of the result."""
    fixed_px: float
    """Per computed pixel."""
    active_px: float
    """Extra per active pixel."""
    outside: float = 5.0
    """Outside of network and bicubic: per image."""
    outside_px: float = 5e-5
    """And per pixel of the result."""

    @classmethod
    def of(cls, model: CostModel, computed_px: float, bicubic_px: float) -> FirstRates:
        """From the cost model of an image."""
        least = 1e-9  # a rate that was measured as zero or less can still be learned
        return cls(
            max(bicubic_px, least),
            max(model.fixed_ms / computed_px, least),
            max(model.active_ms / computed_px, least),
        )


class TimeCosts:
    """Costs in milliseconds."""

    def __init__(self, first: FirstRates) -> None:
        self._outside = LearnedRates((first.outside, first.outside_px))
        self._bicubic = LearnedRates((first.bicubic_px,))
        self._network = LearnedRates((first.fixed_px, first.active_px))

    def of(self, forecasts: Sequence[Forecast]) -> Costs:
        """Expected milliseconds of each image at each level."""
        output = _column(forecasts, "output_px")
        computed = _column(forecasts, "computed_px")
        density = np.stack([each.densities for each in forecasts])
        is_bicubic = np.array([level is None for level in LEVELS])
        inside = np.where(
            is_bicubic, self._bicubic.cost(output), self._network.cost(computed, computed * density)
        )
        return self._outside.cost(1.0, output) + inside

    def learn(self, forecast: Forecast, level: int, done: UpscaleResult, passed_ms: float) -> float:
        """Learn from the time of a finished image; returns all of it."""
        inside_ms = done.stats.total_ms
        if LEVELS[level] is None:
            self._bicubic.learn(inside_ms, forecast.output_px)
        else:
            active = forecast.computed_px * float(forecast.densities[level])
            self._network.learn(inside_ms, forecast.computed_px, active)
        self._outside.learn(passed_ms - inside_ms, 1.0, forecast.output_px)
        return passed_ms


class MacCosts:
    """Costs in multiply-adds of networks; bicubic costs nothing."""

    def __init__(self) -> None:
        self._network = LearnedRates((1.0, 1.0))

    def of(self, forecasts: Sequence[Forecast]) -> Costs:
        """Expected multiply-adds of each image at each level."""
        inactive, dense = _column(forecasts, "inactive_macs"), _column(forecasts, "dense_macs")
        density = np.stack([each.densities for each in forecasts])
        is_bicubic = np.array([level is None for level in LEVELS])
        return np.where(is_bicubic, 0.0, self._network.cost(inactive, (dense - inactive) * density))

    def learn(self, forecast: Forecast, level: int, done: UpscaleResult, passed_ms: float) -> float:
        """Learn from the multiply-adds of a finished image; returns them."""
        active = (forecast.dense_macs - forecast.inactive_macs) * float(forecast.densities[level])
        self._network.learn(done.stats.macs, forecast.inactive_macs, active)
        return done.stats.macs


def _column(forecasts: Sequence[Forecast], name: str) -> Costs:
    return np.array([[getattr(each, name)] for each in forecasts], np.float64)
