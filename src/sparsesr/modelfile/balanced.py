"""Balanced sparsity: of every ``block`` consecutive inputs, every output of a convolution keeps ``keep`` weights.

From Yao et al., "Balanced Sparsity for Efficient DNN Inference on GPU" (AAAI 2019). A row is one output channel of a
convolution, its inputs in the order (row of the kernel, column, input channel), channels fastest. Blocks are inside one
tap, so ``block`` divides the input channels. :func:`pack` and :func:`unpack` convert between an ordinary weight
(outputs, inputs, kernel, kernel) and the kept values with their positions inside the blocks.

A graph declares the pattern of a convolution with its attribute ``balanced``, ``[keep, block]``. Its weight stays an
ordinary array everywhere but in the file (``balanced_storage.py``) and in the packed weights of kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsesr.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

    Weight = npt.NDArray[Any]
    Positions = npt.NDArray[np.uint8]

MAX_BLOCK = 256
"""Positions are stored in one byte."""


@dataclass(frozen=True)
class Pattern:
    """``keep`` weights in every block of ``block`` inputs; ModelError unless 1 <= keep <= block <= 256."""

    keep: int
    block: int

    def __post_init__(self) -> None:
        if not 1 <= self.block <= MAX_BLOCK:
            raise ModelError(f"a balanced block has 1 to {MAX_BLOCK} inputs, not {self.block}")
        if not 1 <= self.keep <= self.block:
            raise ModelError(
                f"a balanced block of {self.block} keeps 1 to {self.block} weights, not {self.keep}"
            )

    @property
    def density(self) -> float:
        """Fraction of weights kept."""
        return self.keep / self.block

    def __str__(self) -> str:
        return f"{self.keep}/{self.block}"

    def check_channels(self, channels: int) -> None:
        """Raise ModelError unless blocks fill the input channels, so that none holds inputs of two taps."""
        if channels % self.block:
            raise ModelError(
                f"balanced blocks of {self.block} inputs do not divide {channels} input channels"
            )


def detect(weight: Weight, block: int) -> int:
    """Return the smallest ``keep`` that a weight (outputs, inputs, kernel, kernel) fits; ``block`` if it is dense.

    Raises:
        ModelError: ``block`` does not divide the inputs, or the weight holds NaN or infinite values.
    """
    blocks = _blocks(weight, Pattern(1, block))
    return max(1, int(np.count_nonzero(blocks, axis=-1).max(initial=0)))


def pack(weight: Weight, block: int, keep: int) -> tuple[Weight, Positions]:
    """Return values and positions, both (outputs, blocks, keep), of a weight (outputs, inputs, kernel, kernel).

    Values keep the weight's number type; positions count from the start of their block and increase strictly. A block
    with fewer nonzero weights than ``keep`` is filled up with zeros.

    Raises:
        ModelError: not 1 <= keep <= block <= 256, ``block`` does not divide the inputs, a block has more nonzero
            weights than ``keep``, or the weight holds NaN or infinite values.
    """
    pattern = Pattern(keep, block)
    blocks = _blocks(weight, pattern)
    found = np.count_nonzero(blocks, axis=-1).max(initial=0)
    if found > keep:
        raise ModelError(f"is not balanced {pattern}: a block has {found} nonzero weights")
    nonzero_first = np.argsort(blocks == 0, axis=-1, kind="stable")
    positions = np.sort(nonzero_first[..., :keep], axis=-1)
    return np.take_along_axis(blocks, positions, axis=-1), positions.astype(np.uint8)


def unpack(values: Weight, positions: Positions, block: int, kernel: int) -> Weight:
    """Return the weight (outputs, inputs, kernel, kernel) of packed values; the opposite of :func:`pack`.

    Raises:
        ModelError: shapes disagree, or positions are not below ``block`` and strictly increasing.
    """
    if values.ndim != 3 or values.shape != positions.shape or values.shape[1] % kernel**2:
        raise ModelError(
            f"balanced values have shape {list(values.shape)}, positions {list(positions.shape)}"
        )
    pattern = Pattern(values.shape[2], block)
    check_positions(positions, pattern)
    outputs, count, _ = values.shape
    blocks = np.zeros((outputs, count, block), values.dtype)
    np.put_along_axis(blocks, positions.astype(np.int64), values, axis=-1)
    rows = blocks.reshape(outputs, kernel, kernel, -1)
    return np.ascontiguousarray(rows.transpose(0, 3, 1, 2))


def check_positions(positions: Positions, pattern: Pattern) -> None:
    """Raise ModelError unless all positions are inside their block and strictly increasing."""
    if positions.size and int(positions.max()) >= pattern.block:
        raise ModelError(f"has a position {int(positions.max())} in a block of {pattern.block} inputs")
    if (positions[..., 1:] <= positions[..., :-1]).any():
        raise ModelError("has positions that do not increase inside a block")


def _blocks(weight: Weight, pattern: Pattern) -> Weight:
    """A weight as (outputs, blocks, block)."""
    if weight.ndim != 4 or not weight.size:
        raise ModelError(f"a convolution's weight has four dimensions, not {list(weight.shape)}")
    if not np.isfinite(weight).all():
        raise ModelError("holds NaN or infinite values")
    pattern.check_channels(weight.shape[1])
    rows = weight.transpose(0, 2, 3, 1)
    return rows.reshape(weight.shape[0], -1, pattern.block)
