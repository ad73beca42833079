"""Density control by the weight of the sparsity loss, which SMSR itself keeps constant.

A constant weight gives a density that is only found by trial. Too large a weight closes every mask for good within a
few hundred steps, as a closed mask gets no gradient to reopen. Too small a weight opens everything, because masks are
noise to a network trained without them. So the weight follows the density.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

_FIRST_WEIGHT, _LEAST_WEIGHT = 0.1, 0.003
# Per unit of excess density: e-folds of the weight per step, and an immediate factor limited to ``_FACTORS``.
_EFOLDS_PER_STEP = 0.04
_IMMEDIATE, _FACTORS = 10.0, (-1.0, 3.0)
# The density falls slowly, then fast, so the controller acts on its extrapolation.
_LOOK_AHEAD_STEPS = 20.0
_MEMORY_STEPS = 30.0
# A mask closes within tens of steps, and the further it is closed the less gradient remains to reopen it.
_REOPENING_WEIGHT = 2.0


@dataclass
class DensityControl:
    """Sets the loss weights of the module densities from the distance between density and target.

    Weights are in the paper's unit, beside an L1 loss on 0..255. They change by factors, so no scale needs to be known.
    Far below the target they turn negative, which opens masks while they can still be opened.
    """

    modules: int
    largest_weight: float
    module_floor: float
    density: list[float] = field(default_factory=list[float])
    """Running density of each module; empty before the first observation."""
    weight: float = _FIRST_WEIGHT
    trend: float = 0.0
    """Change of the running density per step."""

    @property
    def mean_density(self) -> float:
        """Running density of the network; 1 before the first observation."""
        return sum(self.density) / self.modules if self.density else 1.0

    def observe(self, density: list[float], target: float, steps: int) -> None:
        """Update from the densities of the modules, ``steps`` after the last update."""
        share = min(steps / _MEMORY_STEPS, 1.0)
        before = self.density or density
        mean = self.mean_density
        self.density = [old + share * (new - old) for old, new in zip(before, density, strict=True)]
        self.trend = (self.mean_density - mean) / steps
        grown = self.weight * math.exp(_EFOLDS_PER_STEP * steps * self._excess(target))
        self.weight = min(max(grown, _LEAST_WEIGHT), self.largest_weight)

    def _excess(self, target: float) -> float:
        return self.mean_density + _LOOK_AHEAD_STEPS * self.trend - target

    def weights(self, target: float) -> list[float]:
        """Weight of each module's density; a module below the floor is pushed up."""
        if not self.density:
            return [0.0] * self.modules
        factor = 1 + _IMMEDIATE * self._excess(target)
        weight = self.weight * min(max(factor, _FACTORS[0]), _FACTORS[1])
        upwards = -max(abs(weight), _REOPENING_WEIGHT)
        return [upwards if density < self.module_floor else weight for density in self.density]

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"density": list(self.density), "weight": self.weight, "trend": self.trend}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state`; missing entries get their initial values."""
        fresh = DensityControl(self.modules, self.largest_weight, self.module_floor)
        known: dict[str, Any] = {**fresh.state(), **state}
        self.density = [float(value) for value in known["density"]]
        self.weight, self.trend = float(known["weight"]), float(known["trend"])
