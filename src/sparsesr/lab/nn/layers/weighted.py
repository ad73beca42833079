"""Learned scalar weights for the branches of a residual block."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.lowering import Lowering


class Weight(nn.Module):
    """Multiplies by one learned number, initially 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, feat: Tensor) -> Tensor:
        """Any shape -> the same."""
        return feat * self.scale


def weighted_sum(graph: Lowering, weights: Mapping[str, Weight], name: str) -> str:
    """Add one node: the weighted sum of the maps."""
    factors = [float(weight.scale.detach()) for weight in weights.values()]
    return graph.add("add", list(weights), name, factors=factors)
