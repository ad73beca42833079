"""Balanced weights in the layout of the GPU kernels: neighbouring threads read neighbouring outputs.

Suffixes: N blocks of a row, B weights and J kept weights of a block, O outputs, I inputs, H and W taps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sparsesr.lab.sparsity.balance import Balance


@dataclass(frozen=True)
class BalancedWeight:
    """The kept weights of a convolution or matrix, transposed (Yao et al., AAAI 2019, and its later kernels).

    Blocks are ordered by tap (row, column), then by channel, as in :mod:`sparsesr.lab.sparsity.balanced`.
    """

    values: Tensor
    """(blocks of a row, kept weights of a block, outputs)."""
    positions: Tensor
    """Their places inside the blocks, uint8, in the same shape."""
    block: int
    kernel: int
    """Side of the kernel: 1 for a matrix."""

    @property
    def outputs(self) -> int:
        """Number of rows."""
        return self.values.shape[2]

    @property
    def channels(self) -> int:
        """Number of input channels, or columns of a matrix."""
        return self.values.shape[0] // self.kernel**2 * self.block


def pack_for_gpu(weight_OIHW: Tensor, balance: Balance) -> BalancedWeight:
    """Pack a pruned weight (O, I, k, k), or a matrix (O, I), of whole blocks.

    Blocks with fewer nonzero weights are filled up with zeros.

    Raises:
        ValueError: a block holds more than ``balance.keep`` weights, or blocks do not divide the channels.
    """
    weight = weight_OIHW if weight_OIHW.dim() == 4 else weight_OIHW[..., None, None]
    if weight.shape[1] % balance.block or balance.block > 256:
        raise ValueError(f"blocks of {balance.block} do not divide {weight.shape[1]} channels, or exceed 256")
    blocks_ONB = weight.permute(0, 2, 3, 1).unflatten(3, (-1, balance.block)).flatten(1, 3)
    if int((blocks_ONB != 0).sum(-1).max()) > balance.keep:
        raise ValueError(f"a block holds more than {balance} weights; prune it first")
    nonzero_first = (blocks_ONB == 0).to(torch.uint8).argsort(dim=-1, stable=True)
    positions_ONJ = nonzero_first[..., : balance.keep].sort(dim=-1).values
    values_ONJ = blocks_ONB.gather(-1, positions_ONJ)
    return BalancedWeight(
        values_ONJ.permute(1, 2, 0).contiguous(),
        positions_ONJ.permute(1, 2, 0).to(torch.uint8).contiguous(),
        balance.block,
        weight.shape[2],
    )
