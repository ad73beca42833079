"""Balanced sparsity: the same number of weights in every block of every output row (Yao et al., AAAI 2019).

A row is the weights of one output channel in the order (ky, kx, ic), input channels fastest. A block is ``block``
consecutive input channels at one tap, so it never spans two taps, and every lane and every thread of a kernel has the
same work. If ``block`` does not divide the channels, the last block of each tap is shorter and keeps the same share.

The paper prunes ``|w| < threshold``, which keeps too many weights where values are equal. Here the largest ``keep``
are kept exactly, ties going to the lower channel.

Shape suffixes: O and I output and input channels, H and W taps, N blocks, B weights of a block.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sparsesr.lab.sparsity.balance import Balance


def balanced_mask(weight_OIHW: Tensor, balance: Balance) -> Tensor:
    """Boolean mask of the kept weights, (O, I, H, W): the largest in each block, by magnitude.

    Raises:
        ValueError: a weight is NaN, which has no place in the order.
    """
    if weight_OIHW.isnan().any():
        raise ValueError("a weight is NaN")
    rows_OHWI = weight_OIHW.detach().abs().permute(0, 2, 3, 1)
    channels = rows_OHWI.shape[3]
    whole = channels - channels % balance.block
    parts = [largest(rows_OHWI[..., :whole].unflatten(3, (-1, balance.block)), balance.keep)] if whole else []
    if whole < channels:
        rest_OHW1B = rows_OHWI[..., whole:].unsqueeze(3)
        parts.append(largest(rest_OHW1B, balance.keep_of(channels - whole)))
    return torch.cat([part.flatten(3) for part in parts], dim=3).permute(0, 3, 1, 2)


def largest(blocks_NB: Tensor, keep: int) -> Tensor:
    """True for the ``keep`` largest values along the last axis; of equal ones, the first."""
    order = blocks_NB.argsort(dim=-1, descending=True, stable=True)[..., :keep]
    return torch.zeros_like(blocks_NB, dtype=torch.bool).scatter_(-1, order, True)


def kept_per_block(mask_OIHW: Tensor, block: int) -> Tensor:
    """Number of kept weights in every block, (O, H, W, N); the last block of a tap may be shorter."""
    rows_OHWI = mask_OIHW.permute(0, 2, 3, 1).long()
    padded = functional.pad(rows_OHWI, (0, -rows_OHWI.shape[3] % block))
    return padded.unflatten(3, (-1, block)).sum(-1)


def sparsity_at(progress: float, final: float) -> float:
    """Sparsity at the fraction ``progress`` of the pruning: ``final * (1 - (1 - progress)^3)``.

    It rises fast at first, while many weights can be spared, and slowly at the end (Zhu and Gupta, 2017).
    """
    return final * (1 - (1 - min(max(progress, 0.0), 1.0)) ** 3)
