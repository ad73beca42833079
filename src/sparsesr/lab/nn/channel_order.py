"""Order of channels for pruning in blocks: strong and weak ones are dealt to all blocks in turns.

The order of channels between layers is free. If a block holds mostly strong inputs and the next mostly weak ones, a
pattern that keeps as many weights of both drops strong weights for weak ones; a network that was widened has its new,
weak channels side by side. (For 2:4 sparsity: Pool and Yu, "Channel permutations for N:M sparsity", NeurIPS 2021.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.masked_network import with_masks
from sparsesr.lab.nn.network import StateDict

_SIDE_PX = 16
_TOLERANCE = 1e-4


@torch.no_grad()
def deal_channels(network: nn.Module, width: int, block: int) -> bool:
    """Reorder the channels of all maps of ``width`` channels alike; False if nothing could be changed.

    The network computes the same as before, which is checked on a random image. Networks with dense channels stay as
    they are, since these must come first.
    """
    masked = with_masks(network)
    if width % block or (masked and any(bool(unit.hard_dense_CL().any()) for unit in masked.mask_units())):
        return False
    before = {name: value.clone() for name, value in network.state_dict().items()}
    order = _dealt(_energy(before, width), block)
    image_13HW = torch.rand(1, 3, _SIDE_PX, _SIDE_PX, generator=torch.Generator().manual_seed(0))
    network.eval()
    wanted = network(image_13HW)
    network.load_state_dict({name: _reordered(value, width, order) for name, value in before.items()})
    if (network(image_13HW) - wanted).abs().max() <= _TOLERANCE:
        return True
    network.load_state_dict(before)  # a size equals the width by chance, such as that of the result
    return False


def _energy(weights: StateDict, width: int) -> Tensor:
    """Mean square of the weights that read each channel, over the layers between maps of this width."""
    read = [value.square().mean((0, 2, 3)) for value in weights.values() if value.shape[:2] == (width, width)]
    return torch.stack([energy / energy.mean().clamp_min(1e-30) for energy in read]).mean(0)


def _dealt(energy: Tensor, block: int) -> Tensor:
    """Channels by falling energy, dealt to the blocks in turns."""
    return energy.argsort(descending=True, stable=True).view(block, -1).T.flatten()


def _reordered(value: Tensor, width: int, order: Tensor) -> Tensor:
    """The tensor with its outputs and inputs in the new order; several concatenated maps each."""
    for axis in range(min(value.dim(), 2)):
        if value.shape[axis] % width == 0:
            maps = torch.arange(value.shape[axis] // width)[:, None] * width
            value = value.index_select(axis, (maps + order).flatten())
    return value
