"""Small spaces, so that searches take seconds."""

from __future__ import annotations

import torch

from sparsesr.lab.search.space import Space
from sparsesr.lab.search.supernet import Supernet

SMALL_B = Space(
    family="trilevel_b", channels=16, widths=(8, 16), operations_per_cell=3, most_cells=3, most_ups=1
)
SMALL_A = Space(
    family="trilevel_a", channels=16, widths=(8, 16), operations_per_cell=2, most_cells=2, most_ups=1
)
SMALL_RESIDUAL = Space(
    family="residual",
    channels=16,
    widths=(16, 32, 48),
    operations_per_cell=2,
    fixed_cells=2,
    most_cells=4,
    most_ups=0,
)


def supernet(space: Space, scale: int, seed: int = 0) -> Supernet:
    """A supernet whose parameters, those of its architecture among them, are far from their initial values."""
    torch.manual_seed(seed)
    network = Supernet(space, scale)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network
