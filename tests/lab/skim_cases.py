"""Small Skim networks."""

from __future__ import annotations

import torch

from sparsesr.lab.nn.skim import Skim, SkimConfig

SMALL = {"channels": 16, "blocks": 2, "mask_channels": 4}


def small_skim(seed: int = 0, **settings) -> Skim:
    """In evaluation mode; with a mask, about half of the pixels of noise are active."""
    torch.manual_seed(seed)
    network = Skim(SkimConfig(**{**SMALL, **settings})).eval()
    for unit in network.mask_units():
        unit.scale_gap(torch.tensor(5.0))
        unit.spa_mask[-1].bias.data.zero_()
    return network
