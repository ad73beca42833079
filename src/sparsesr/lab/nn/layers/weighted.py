"""Learned scalar weights of the branches of a residual block."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Weight(nn.Module):
    """Multiplies by one learned number, at first 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, feat: Tensor) -> Tensor:
        """Any shape -> the same."""
        return feat * self.scale
