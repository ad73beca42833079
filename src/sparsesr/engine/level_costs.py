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
_IS_BICUBIC = np.array([level is None for level in LEVELS])


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
    inactive_mac: float
    """Per multiply-add that is left with no pixel active."""
    active_mac: float
    """Per multiply-add that active pixels add."""
    outside: float = 5.0
    """Outside of network and bicubic: per image."""
    outside_px: float = 5e-5
    """And per pixel of the result."""

    @classmethod
    def of(cls, model: CostModel, inactive_macs: float, dense_macs: float, bicubic_px: float) -> FirstRates:
        """From the cost model of an image, and its multiply-adds with no and with all pixels active."""
        least = 1e-12  # a rate that was measured as zero or less can still be learned
        return cls(
            max(bicubic_px, least),
            max(model.fixed_ms / inactive_macs, least),
            max(model.active_ms / (dense_macs - inactive_macs), least),
        )


class TimeCosts:
    """Costs in milliseconds. That of a network follows its multiply-adds, so networks of one batch may differ."""

    def __init__(self, first: FirstRates) -> None:
        self._outside = LearnedRates((first.outside, first.outside_px))
        self._bicubic = LearnedRates((first.bicubic_px,))
        self._network = LearnedRates((first.inactive_mac, first.active_mac))

    def of(self, forecasts: Sequence[Forecast]) -> Costs:
        """Expected milliseconds of each image at each level."""
        output = _column(forecasts, "output_px")
        network = self._network.cost(*_macs(forecasts))
        return self._outside.cost(1.0, output) + np.where(_IS_BICUBIC, self._bicubic.cost(output), network)

    def learn(self, forecast: Forecast, level: int, done: UpscaleResult, passed_ms: float) -> float:
        """Learn from the time of a finished image; returns all of it."""
        inside_ms = done.stats.total_ms
        if LEVELS[level] is None:
            self._bicubic.learn(inside_ms, forecast.output_px)
        else:
            self._network.learn(inside_ms, forecast.inactive_macs, _active_macs(forecast, level))
        self._outside.learn(passed_ms - inside_ms, 1.0, forecast.output_px)
        return passed_ms


class MacCosts:
    """Costs in multiply-adds of networks; bicubic costs nothing."""

    def __init__(self) -> None:
        self._network = LearnedRates((1.0, 1.0))

    def of(self, forecasts: Sequence[Forecast]) -> Costs:
        """Expected multiply-adds of each image at each level."""
        return np.where(_IS_BICUBIC, 0.0, self._network.cost(*_macs(forecasts)))

    def learn(self, forecast: Forecast, level: int, done: UpscaleResult, passed_ms: float) -> float:
        """Learn from the multiply-adds of a finished image; returns them."""
        self._network.learn(done.stats.macs, forecast.inactive_macs, _active_macs(forecast, level))
        return done.stats.macs


def _macs(forecasts: Sequence[Forecast]) -> tuple[Costs, Costs]:
    """Multiply-adds of each image with no pixel active, and what each level adds."""
    inactive, dense = _column(forecasts, "inactive_macs"), _column(forecasts, "dense_macs")
    density = np.stack([each.densities for each in forecasts])
    return inactive, (dense - inactive) * density


def _active_macs(forecast: Forecast, level: int) -> float:
    return (forecast.dense_macs - forecast.inactive_macs) * float(forecast.densities[level])


def _column(forecasts: Sequence[Forecast], name: str) -> Costs:
    return np.array([[getattr(each, name)] for each in forecasts], np.float64)
