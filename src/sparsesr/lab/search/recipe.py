"""Search recipe: a training recipe with a space and the settings of its search. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from sparsesr.errors import Parameter, UsageError
from sparsesr.lab.search.space import Space
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.recipe import PRECISIONS
from sparsesr.lab.train.recipe_checks import check_betas, check_rate

OBJECTIVES = ("macs", "parameters", "ms")
ORDER_LOSSES = ("hinge", "telescoped")
VARIANTS = ("code", "paper")


@dataclass(frozen=True)
class Search:
    """How the architecture is trained. Losses are added to an L1 loss on 0..1."""

    objective: str = "macs"
    """What networks cost: multiply-adds per LR pixel, parameters, or milliseconds of our runtime on this machine."""
    cost_weight: float = 1e-2
    """Weight of the expected cost, as a share of the largest network's; 0: quality only."""
    cost_target: float = 0.0
    """In the objective's unit: the cost to hold, from above and from below (an absolute value, as in TuNAS, arXiv
    2008.06120); 0: all cost counts."""
    order: str = "hinge"
    """Order constraint on paths: hinge, or telescoped as in the published code."""
    order_weight: float = 1e-3
    variant: str = "code"
    """How sparsestmax begins where sparsemax drops entries: code or paper."""
    learning_rate: float = 3e-4
    """Of the architecture; Adam."""
    betas: tuple[float, ...] = (0.5, 0.999)
    latency_table: str = ""
    """Latencies by operation, for objective ms; empty: measured into the run folder."""
    scale_latency: bool = False
    """Use a table of another machine, scaled by one network that is timed here."""
    latency_height_px: int = 180
    latency_width_px: int = 320
    """LR size that latencies are measured at."""
    latency_threads: int = 1
    latency_precision: str = "fp32"

    def __post_init__(self) -> None:
        _choose("objective", self.objective, OBJECTIVES)
        _choose("order", self.order, ORDER_LOSSES)
        _choose("variant", self.variant, VARIANTS)
        _choose("latency_precision", self.latency_precision, PRECISIONS)
        for name in ("cost_weight", "cost_target", "order_weight"):
            _check(getattr(self, name) >= 0, name, "must not be negative")
        for name in ("latency_height_px", "latency_width_px", "latency_threads"):
            _check(getattr(self, name) >= 1, name, "must be at least 1")
        check_rate("search.learning_rate", self.learning_rate)
        check_betas("search.betas", self.betas)


@dataclass(frozen=True, kw_only=True)
class SearchRecipe(EnlargingRecipe):
    """A search. ``network`` names the run; half of the images train weights, the other half the architecture."""

    space: Space = field(default_factory=Space)
    search: Search = field(default_factory=Search)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.space.legal_nodes(self.scale)
        unusable = [
            name
            for name, used in (
                ("scales", self.scales),
                ("sparsity", self.sparsity),
                ("masked", self.masked),
                ("pruning", self.pruning),
                ("compile", self.compile),
            )
            if used
        ]
        _check(not unusable, "", f"{' and '.join(unusable)} cannot be used in a search")


def _choose(name: str, value: str, known: tuple[str, ...]) -> None:
    _check(value in known, name, f"{value!r} is unknown: use {', '.join(known)}")


def _check(is_good: bool, name: str, what: str) -> None:
    if not is_good:
        raise UsageError(what, where=Parameter(f"recipe.search.{name}" if name else "recipe"))
