"""Begins a wide network as a narrow one: the same function, with room to learn more (after Net2Net, ICLR 2016).

New channels get the network's fresh weights, but what they lead to in the channels of the narrow network begins at
zero. So the outputs are those of the narrow network, and no new weight is without a gradient for long: those zeros
have one at once, for the new channels are not zero. New masked channels are sparse.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_WIDTH_OF, _OUTPUTS, _VALUE_RANGE = "head.0.weight", "tail.0.bias", "sub_mean.bias"
_SPARSE_GAP = 1.0


def is_narrower(weights: Mapping[str, Tensor], network: nn.Module) -> bool:
    """True if these are all weights of an SMSR with fewer channels than ``network``, and no other difference."""
    own = network.state_dict()
    if own.keys() != weights.keys() or not torch.equal(weights[_VALUE_RANGE], own[_VALUE_RANGE]):
        return False
    if len(weights[_WIDTH_OF]) >= len(own[_WIDTH_OF]) or len(weights[_OUTPUTS]) != len(own[_OUTPUTS]):
        return False
    return all(
        value.dim() == own[name].dim()
        and all(a <= b for a, b in zip(value.shape, own[name].shape, strict=True))
        for name, value in weights.items()
    )


@torch.no_grad()
def widened(weights: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights for ``network`` with which it does what the narrower one does whose ``weights`` these are.

    Raises:
        ValueError: it is not narrower, or differs otherwise.
    """
    if not is_narrower(weights, network):
        raise ValueError("these are not the weights of a narrower network of the same kind")
    width = len(weights[_WIDTH_OF])
    return {
        name: _masks(weights[name], fresh)
        if name.endswith("ch_mask")
        else _placed(weights[name], fresh.clone(), width, _is_transposed(name))
        for name, fresh in network.state_dict().items()
    }


def _masks(narrow: Tensor, fresh: Tensor) -> Tensor:
    """Logits (1, C, L, 2), "dense" first."""
    wide = torch.empty_like(fresh)
    wide[..., 0], wide[..., 1] = -_SPARSE_GAP / 2, _SPARSE_GAP / 2
    wide[:, : narrow.shape[1]] = narrow
    return wide


def _is_transposed(name: str) -> bool:
    """The last layer of a mask head has its inputs first."""
    return "spa_mask.5" in name and name.endswith("weight")


def _placed(narrow: Tensor, wide: Tensor, width: int, is_transposed: bool) -> Tensor:
    """``narrow`` in ``wide``: the first channels, of each map where several are concatenated."""
    if narrow.dim() == 1:
        wide[: len(narrow)] = narrow
        return wide
    if is_transposed:
        return _placed(narrow.transpose(0, 1), wide.transpose(0, 1), width, False).transpose(0, 1)
    maps = narrow.shape[1] // width if narrow.shape[1] % width == 0 else 1
    outputs, inputs = len(narrow), narrow.shape[1] // maps
    by_map = wide.reshape(len(wide), maps, -1, *wide.shape[2:])
    by_map[:outputs] = 0
    by_map[:outputs, :, :inputs] = narrow.reshape(outputs, maps, inputs, *narrow.shape[2:])
    return by_map.reshape(wide.shape)
