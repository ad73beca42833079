"""Networks that an architecture search derives, built from a genotype; the networks of TrilevelNAS are among them.

Shape suffixes: B batch, C channels, H and W rows and columns of the LR image.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sparsesr.errors import ModelError
from sparsesr.lab.nn.from_tensors import check_held
from sparsesr.lab.nn.genotype import CELL, FAMILIES, Cell, Genotype, genotype_from_json
from sparsesr.lab.nn.layers.image_layers import BicubicUpsample
from sparsesr.lab.nn.layers.searched_frames import frame_of
from sparsesr.lab.nn.layers.searched_operations import OPERATIONS, up_block
from sparsesr.lab.nn.layers.spatial_mask import SpatialMaskUnit
from sparsesr.lab.nn.masked_network import OneMaskNetwork
from sparsesr.lab.nn.network import Architecture, Networks, StateDict
from sparsesr.lab.nn.trilevel import LISTED

_STATE = "_extra_state"
_IMAGE_CHANNELS = 3
_MASK_CHANNELS = 16
"""Hidden channels of the mask heads of networks that get one, as in Skim."""


class ChainCell(nn.Module):
    """``x + gain * op_n(... op_1(x))``."""

    def __init__(self, cell: Cell, channels: int, gain: float, keeps_shortcuts: bool) -> None:
        super().__init__()
        self.gain = gain
        self.operations = nn.Sequential(
            *(OPERATIONS[name](c_in, c_out, keeps_shortcuts) for name, c_in, c_out in cell.shaped(channels))
        )

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> the same shape; a mask restricts the convolutions to active pixels."""
        branch_BCHW = feat_BCHW
        for operation in self.operations:
            branch_BCHW = operation(branch_BCHW, mask_B1HW)
        return feat_BCHW + (branch_BCHW if self.gain == 1 else self.gain * branch_BCHW)


class Searched(OneMaskNetwork):
    """(B, 3, H, W) in 0..1 -> (B, 3, scale * H, scale * W). With a mask, H and W must be even.

    The mask is predicted from the image, as in Skim, and shared by all cells in front of enlarging up blocks. The
    genotype is part of the state dict, so a checkpoint describes its own network.
    """

    def __init__(self, genotype: Genotype) -> None:
        super().__init__()
        self.config = genotype
        family, cells = FAMILIES[genotype.family], iter(genotype.cells)
        self.frame = frame_of(genotype.family, genotype.channels, genotype.scale)
        hidden = genotype.mask_channels
        self.mask = SpatialMaskUnit(_IMAGE_CHANNELS, hidden) if hidden else None
        self.upsample = BicubicUpsample(genotype.scale)
        self.body = nn.Sequential(
            *(
                ChainCell(next(cells), genotype.channels, family.gain, genotype.keeps_shortcuts)
                if kind == CELL
                else up_block(genotype.channels, family.ups_enlarge)
                for kind in genotype.path
            )
        )

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Upscale a batch."""
        mask_B1HW = None if self.mask is None else self.mask(self.centred(image_B3HW))
        hr_B3YX = self.frame(image_B3HW, partial(self._run_body, mask_B1HW))
        return self.depending_on_lesson(hr_B3YX)

    def centred(self, image_B3HW: Tensor) -> Tensor:
        """The image less its mean colour."""
        return self.frame.centred(image_B3HW)

    def _run_body(self, mask_B1HW: Tensor | None, feat_BCHW: Tensor) -> Tensor:
        for block, level in zip(self.body, self.config.levels, strict=True):
            masks = (mask_B1HW,) if isinstance(block, ChainCell) and level == 0 else ()
            feat_BCHW = block(feat_BCHW, *masks)
        return feat_BCHW

    def adapted(self, weights: StateDict) -> StateDict:
        """Weights of the same network with or without a mask."""
        if _STATE not in weights:
            return weights
        theirs = genotype_of(weights[_STATE])
        is_same = replace(theirs, mask_channels=self.config.mask_channels) == self.config
        return {**weights, _STATE: self.get_extra_state()} if is_same else weights

    @property
    def training_facts(self) -> dict[str, Any]:
        """What model files say about the training."""
        return {"genotype": json.loads(self.config.to_json())}

    def get_extra_state(self) -> Tensor:
        """The genotype's JSON as bytes."""
        return torch.tensor(list(self.config.to_json().encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Check that the state belongs to this network; ModelError if not."""
        if genotype_of(state) != self.config:
            raise ModelError(
                "the weights belong to another genotype", remedy="give the genotype of the weights"
            )


def genotype_of(state: Tensor) -> Genotype:
    """The genotype in a state dict's extra state, which checkpoints may hold as floats; ValueError if damaged."""
    return genotype_from_json(bytes(state.to(torch.uint8).tolist()).decode())


def _from_tensors(tensors: StateDict) -> nn.Module:
    genotype = genotype_of(tensors[_STATE])
    with torch.device("meta"):  # the weights are loaded next, so skip initialising them
        module = Searched(genotype)
    check_held(sum(parameter.numel() for parameter in module.parameters()), tensors)
    return module.to_empty(device="cpu")


ARCHITECTURE = Architecture(
    "searched", frozenset({_STATE, "frame.head.weight", "frame.tail.weight"}), _from_tensors
)


def masked(network: nn.Module) -> Searched | None:
    """A fresh network of the same genotype with a mask; None if it is no searched network."""
    if not isinstance(network, Searched):
        return None
    return Searched(replace(network.config, mask_channels=network.config.mask_channels or _MASK_CHANNELS))


def _create(genotype: Genotype) -> nn.Module:
    return Searched(genotype)


NETWORKS: Networks = {name: partial(_create, genotype) for name, genotype in LISTED.items()}
