"""Patterns of pruned weights: balanced, and two to compare it with at equal sparsity.

*Unstructured* keeps the largest weights of a layer wherever they are: the most accurate pattern, but its rows have
unequal work. *Block* keeps whole squares of weights, by their sum of squares: simple to run, but it costs accuracy.

Shape suffixes: O and I output and input channels, H and W taps.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from sparsesr.lab.sparsity.balance import Balance
from sparsesr.lab.sparsity.balanced import balanced_mask, largest

SQUARE = 8
"""Side of the squares of the block pattern: so many outputs by so many inputs at one tap."""

Pattern = Callable[[Tensor, Balance], Tensor]
"""From weights (O, I, H, W) to the boolean mask of the kept ones, with the density of the balance."""


def unstructured_mask(weight_OIHW: Tensor, balance: Balance) -> Tensor:
    """The largest weights of the layer."""
    return _largest_share(weight_OIHW.abs(), balance.density)


def block_mask(weight_OIHW: Tensor, balance: Balance) -> Tensor:
    """The squares of ``SQUARE`` outputs by ``SQUARE`` inputs with the largest energy; edges may have smaller ones."""
    outputs, inputs = weight_OIHW.shape[:2]
    square_HWOI = weight_OIHW.square().permute(2, 3, 0, 1)
    energy = functional.avg_pool2d(square_HWOI, SQUARE, ceil_mode=True, count_include_pad=False)
    kept = _largest_share(energy, balance.density)
    whole = kept.repeat_interleave(SQUARE, 2).repeat_interleave(SQUARE, 3)[..., :outputs, :inputs]
    return whole.permute(2, 3, 0, 1)


def _largest_share(values: Tensor, share: float) -> Tensor:
    return largest(values.flatten(), max(round(share * values.numel()), 1)).view_as(values)


PATTERNS: dict[str, Pattern] = {
    "balanced": balanced_mask,
    "unstructured": unstructured_mask,
    "block": block_mask,
}
