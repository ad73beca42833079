"""Density of trained masks on training patches: the target at which a fine-tuning keeps them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from sparsesr.lab.nn.layers.spatial_mask import density
from sparsesr.lab.nn.masked_network import with_masks
from sparsesr.lab.sparsity.threshold import away_from_border
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.feeding import open_feed

_BATCHES = 16


def mask_density(
    network: nn.Module, recipe: EnlargingRecipe, run_folder: Path, report: Callable[[str], None]
) -> float | None:
    """Kept fraction of the hard masks on the first batches of a run, without patch borders; None without masks.

    Raises:
        SparsesrError: as :func:`sparsesr.lab.train.feeding.open_feed`.
    """
    masked = with_masks(network)
    if masked is None:
        return None
    network.eval()
    batches = open_feed(recipe, run_folder, (0, 1), torch.device("cpu"), report)
    seen: list[torch.Tensor] = []
    try:
        for step in range(1, _BATCHES + 1):
            with torch.no_grad():
                network(batches.at(step)[0])
            seen += [
                density(away_from_border(unit.last_mask_B1HW), unit.hard_dense_CL().float())
                for unit in masked.mask_units()
                if unit.last_mask_B1HW is not None
            ]
    finally:
        batches.close()
    return round(float(torch.stack(seen).mean()), 3)
