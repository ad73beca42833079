"""Widening: starts a wide network with the function of a narrow one (after Net2Net, ICLR 2016).

New channels keep the wide network's fresh weights, but their weights into the channels of the narrow network start at
zero, so the outputs are those of the narrow network. No new weight stays without a gradient: the zeros have one from
the first step, because the new channels are not zero. New masked channels are sparse.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_WIDTH_OF, _OUTPUTS, _VALUE_RANGE = "head.0.weight", "tail.0.bias", "sub_mean.bias"
_SPARSE_GAP = 1.0


def is_narrower(weights: Mapping[str, Tensor], network: nn.Module) -> bool:
    """True if these are all weights of an SMSR that differs from ``network`` only by having fewer channels."""
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
    """Weights with which ``network`` computes the same as the narrower network that ``weights`` belong to.

    Raises:
        ValueError: the other network is not narrower, or differs in other ways.
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
    """True for the last layer of a mask head, whose weight has the inputs first."""
    return "spa_mask.5" in name and name.endswith("weight")


def _placed(narrow: Tensor, wide: Tensor, width: int, is_transposed: bool) -> Tensor:
    """Copy ``narrow`` into the first channels of ``wide``, or of each map where several are concatenated."""
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
