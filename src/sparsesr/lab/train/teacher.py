"""Teacher: a trained network whose results are the target instead of HR images (distillation).

AGD and TrilevelNAS train and search their PSNR-oriented networks with nothing but the L1 distance to a teacher.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from sparsesr.errors import Parameter, UsageError
from sparsesr.lab.export.graph_module import graph_module
from sparsesr.lab.export.importer import load_network
from sparsesr.lab.nn.network import size_multiple
from sparsesr.lab.train.checkpoint import CHECKPOINT_SUFFIXES
from sparsesr.modelfile.catalogue import load


class Teacher:
    """Turns patches and their HR originals into patches and what the teacher makes of them."""

    def __init__(self, network: nn.Module, source: str) -> None:
        self._network, self._source = network.eval().requires_grad_(False), source

    @torch.no_grad()
    def target(self, lr_B3HW: Tensor, hr_B3YX: Tensor) -> Tensor:
        """The teacher's result, of the shape of HR, never in bf16; UsageError if it has another scale."""
        with torch.autocast(lr_B3HW.device.type, enabled=False):
            result_B3YX = self._network(lr_B3HW.float())
        if result_B3YX.shape != hr_B3YX.shape:
            made = result_B3YX.shape[2] // lr_B3HW.shape[2]
            raise UsageError(
                f"{self._source} enlarges x{made}, the recipe x{hr_B3YX.shape[2] // lr_B3HW.shape[2]}",
                where=Parameter("recipe.teacher"),
                remedy="give a teacher of the recipe's scale",
            )
        return result_B3YX


def open_teacher(source: str, scale: int, lr_patch_px: int, device: torch.device) -> Teacher:
    """The network of a checkpoint, or of a model by file or name.

    Raises:
        ModelError: it cannot be read, or belongs to no known network.
        UsageError: it cannot enlarge patches of this size.
    """
    if Path(source).suffix in CHECKPOINT_SUFFIXES:
        network = load_network(Path(source))[1]
        multiple = size_multiple(network)
        if scale in getattr(network, "scales", ()):
            network.active_scale = scale  # type: ignore[assignment]
    else:
        model = load(source)
        model = model.at_scale(scale if scale in model.scales else None)
        network, multiple = graph_module(model), model.facts.size_multiple
    if lr_patch_px % multiple:
        raise UsageError(
            f"{source} needs sizes that are multiples of {multiple}, patches have {lr_patch_px}",
            where=Parameter("recipe.lr_patch_px"),
            remedy=f"set a multiple of {multiple}",
        )
    return Teacher(network.to(device), source)
