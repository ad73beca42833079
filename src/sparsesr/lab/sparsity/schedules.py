"""Schedules of sparse training: Gumbel temperature and weight of the sparsity loss (SMSR, section 4.1).

Both are functions of the completed *fraction* of training, so they suit short and long runs. Of the paper's 1000
epochs, the warm-up takes the first 50 (0.05) and the temperature falls from 1 to 0.4 over the first 300 (0.3).
"""

from __future__ import annotations


def temperature_at(progress: float, final: float = 0.4, decay_fraction: float = 0.3) -> float:
    """Gumbel temperature: linear from 1 to ``final`` over the first ``decay_fraction`` of the training."""
    if decay_fraction <= 0:
        return final
    return max(1.0 - (1.0 - final) * progress / decay_fraction, final)


def warmup_at(progress: float, warmup_fraction: float = 0.05) -> float:
    """Factor of the sparsity weight: linear from 0 to 1 over the first ``warmup_fraction``."""
    if warmup_fraction <= 0:
        return 1.0
    return min(progress / warmup_fraction, 1.0)
