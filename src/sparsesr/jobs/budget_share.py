"""``BudgetShare``: what one image got of a batch's budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BudgetShare:
    """Amounts are in the budget's unit."""

    unit: str
    """``s`` or ``macs``."""
    effort: float | None
    """None: bicubic, without a network."""
    predicted: float
    actual: float
    left: float
    """What was left for the images after it; negative if the budget is overdrawn."""
