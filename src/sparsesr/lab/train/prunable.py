"""The layers that pruning applies to."""

from __future__ import annotations

from torch import Tensor, nn

from sparsesr.errors import Parameter, UsageError
from sparsesr.lab.export.balanced_layers import BLOCKS
from sparsesr.lab.nn.masked_network import with_masks
from sparsesr.lab.train.recipe import Pruning

_LEAST_CHANNELS = 16
"""Smaller layers, such as those of channel attention, have too few weights for skipping them to pay."""


def prunable_weights(network: nn.Module, plan: Pruning) -> dict[str, Tensor]:
    """Weights (O, I, H, W) of the convolutions between features, by the name of the layer.

    Mask heads stay whole: a changed mask costs more than its head. So do the first and the last layer unless the plan
    includes them.

    Raises:
        UsageError: no such layer, blocks that export does not look for or that do not divide the channels of one, or
            channels in another order than the runtime's, in which blocks would hold other weights.
    """
    convolutions = _convolutions(network)
    names = list(convolutions)
    edges = {names[0], names[-1]} if names else set[str]()
    chosen = {
        name: layer.weight
        for name, layer in convolutions.items()
        if (plan.first_and_last if name in edges else min(layer.weight.shape[:2]) >= _LEAST_CHANNELS)
    }
    if not chosen:
        raise UsageError("the network has no layer to prune: they need at least 16 channels")
    for name, weight in chosen.items():
        if name not in edges and plan.pattern == "balanced":
            _check_divides(name, weight, plan.block)
    _check_order(network)
    return chosen


def _convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    """Convolutions outside mask heads in the order of their definition."""
    masked = with_masks(network)
    heads = [part for unit in masked.mask_units() for part in unit.spa_mask.modules()] if masked else []
    hidden = {id(part) for part in heads}
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
        and layer.groups == 1
        and layer.weight.requires_grad  # not the constant shift of colours
        and id(layer) not in hidden
    }


def _check_divides(name: str, weight: Tensor, block: int) -> None:
    channels = weight.shape[1]
    fitting = [size for size in sorted(BLOCKS) if channels % size == 0]
    if block not in fitting:
        divides = "are none of those that export finds in" if channels % block == 0 else "do not divide"
        raise UsageError(
            f"blocks of {block} {divides} the {channels} input channels of {name}",
            where=Parameter("keep"),
            remedy=f"use blocks of {' or '.join(map(str, fitting))}" if fitting else "choose another block",
        )


def _check_order(network: nn.Module) -> None:
    """Export moves dense channels to the front; blocks are blocks of the runtime only if they are there already."""
    masked = with_masks(network)
    for unit in masked.mask_units() if masked else []:
        dense_CL = unit.hard_dense_CL()
        if (dense_CL[1:] & ~dense_CL[:-1]).any():
            raise UsageError(
                "pruning needs the channel order of a model file",
                remedy="export the checkpoint, and start from the model file (as `sparsesr prune` does)",
            )
