"""Networks that an architecture search derives, built from a genotype; the networks of TrilevelNAS are among them.

Shape suffixes: B batch, C channels, H and W rows and columns of the LR image.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.from_tensors import check_held
from sparsesr.lab.nn.genotype import CELL, FAMILIES, Cell, Genotype, genotype_from_json
from sparsesr.lab.nn.layers.searched_frames import frame_of
from sparsesr.lab.nn.layers.searched_operations import OPERATIONS, up_block
from sparsesr.lab.nn.network import Architecture, Networks, StateDict
from sparsesr.lab.nn.trilevel import LISTED

_STATE = "_extra_state"


class ChainCell(nn.Module):
    """``x + gain * op_n(... op_1(x))``."""

    def __init__(self, cell: Cell, channels: int, gain: float, keeps_shortcuts: bool) -> None:
        super().__init__()
        self.gain = gain
        self.operations = nn.Sequential(
            *(OPERATIONS[name](c_in, c_out, keeps_shortcuts) for name, c_in, c_out in cell.shaped(channels))
        )

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        branch_BCHW = self.operations(feat_BCHW)
        return feat_BCHW + (branch_BCHW if self.gain == 1 else self.gain * branch_BCHW)


class Searched(nn.Module):
    """(B, 3, H, W) in 0..1 -> (B, 3, scale * H, scale * W).

    The genotype is part of the state dict, so a checkpoint describes its own network.
    """

    def __init__(self, genotype: Genotype) -> None:
        super().__init__()
        self.config = genotype
        family, cells = FAMILIES[genotype.family], iter(genotype.cells)
        self.frame = frame_of(genotype.family, genotype.channels, genotype.scale)
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
        return self.frame(image_B3HW, self.body)

    @property
    def training_facts(self) -> dict[str, Any]:
        """What model files say about the training."""
        return {"genotype": json.loads(self.config.to_json())}

    def get_extra_state(self) -> Tensor:
        """The genotype's JSON as bytes."""
        return torch.tensor(list(self.config.to_json().encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Check that the state belongs to this network; ValueError if not."""
        if genotype_of(state) != self.config:
            raise ValueError("the weights belong to another genotype")


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


def _create(genotype: Genotype) -> nn.Module:
    return Searched(genotype)


NETWORKS: Networks = {name: partial(_create, genotype) for name, genotype in LISTED.items()}
