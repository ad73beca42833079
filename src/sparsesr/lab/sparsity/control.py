"""Reaches a density: a controller of the weight of the sparsity loss (SMSR itself has a constant weight).

With a constant weight the density that results is found by trial only, and too large a weight closes every mask within
some hundred steps, for good: a closed mask gets no gradient to open again. So the weight follows the density.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

# In units of the paper's weight (beside an L1 loss on 0..255) per unit of density, and per unit of density and step.
_PROPORTIONAL = 1.0
_INTEGRAL = 0.004
_MEMORY_STEPS = 30.0


@dataclass
class DensityControl:
    """A proportional-integral controller: weights of the modules' densities from how far density is off its target.

    The weight may become negative, which opens masks: what is too closed is reopened while its logits are still small.
    """

    modules: int
    largest_weight: float
    module_floor: float
    density: list[float] = field(default_factory=list[float])
    """Running density of each module; empty before the first is seen."""
    integral: float = 0.0

    @property
    def mean_density(self) -> float:
        """Running density of the network; 1 before any is seen."""
        return sum(self.density) / self.modules if self.density else 1.0

    def observe(self, density: list[float], target: float, steps: int) -> None:
        """Take in the densities of the modules, ``steps`` after the last time."""
        share = min(steps / _MEMORY_STEPS, 1.0)
        before = self.density or density
        self.density = [old + share * (new - old) for old, new in zip(before, density, strict=True)]
        change = _INTEGRAL * steps * (self.mean_density - target)
        self.integral = min(max(self.integral + change, 0.0), self.largest_weight)

    def weights(self, target: float) -> list[float]:
        """Weight of each module's density; a module below the floor is not pushed further down."""
        if not self.density:
            return [0.0] * self.modules
        weight = self.integral + _PROPORTIONAL * (self.mean_density - target)
        weight = min(max(weight, -self.largest_weight), self.largest_weight)
        return [min(weight, 0.0) if density < self.module_floor else weight for density in self.density]

    def state(self) -> dict[str, float | list[float]]:
        """What a checkpoint must keep."""
        kept = asdict(self)
        return {name: kept[name] for name in ("density", "integral")}

    def restore(self, state: dict[str, float | list[float]]) -> None:
        """Go on from :meth:`state`."""
        self.density = [float(value) for value in state["density"]]  # type: ignore[union-attr]
        self.integral = float(state["integral"])  # type: ignore[arg-type]
