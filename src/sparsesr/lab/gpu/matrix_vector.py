"""Balanced matrix times a few vectors (Yao et al., AAAI 2019, section 4), in Triton.

A thread computes one output. All threads take the same number of steps, so none waits, and at each step neighbouring
threads load neighbouring values and positions. The inputs that they gather lie in one block of a vector, 64 or 128
bytes: one or two cache lines for a whole warp.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

from sparsesr.lab.gpu.balanced_weight import BalancedWeight

_OUTPUTS = 128
"""Outputs of a program: four warps."""
_PROGRAMS = 512
"""Programs that fill a large GPU; rows are split until there are about so many."""


@triton.jit
def _multiply(
    x, values, positions, partial, vectors, outputs, blocks, blocks_each,
    BLOCK: tl.constexpr, KEEP: tl.constexpr, VECTORS: tl.constexpr, OUTPUTS: tl.constexpr,
):  # fmt: skip
    """Sums over ``blocks_each`` blocks: partial (splits, vectors, outputs)."""
    output = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
    vector = tl.arange(0, VECTORS)
    split = tl.program_id(1)
    is_output, is_vector = output < outputs, vector < vectors
    both = is_vector[:, None] & is_output[None, :]
    total = tl.zeros((VECTORS, OUTPUTS), dtype=tl.float32)
    first = split * blocks_each
    for block in range(first, tl.minimum(first + blocks_each, blocks)):
        inputs = x + vector[:, None] * (blocks * BLOCK) + block * BLOCK
        for kept in range(KEEP):
            place = (block * KEEP + kept) * outputs + output
            value = tl.load(values + place, mask=is_output, other=0.0)
            position = tl.load(positions + place, mask=is_output, other=0).to(tl.int32)
            total += value[None, :] * tl.load(inputs + position[None, :], mask=both, other=0.0)
    row = (split * vectors + vector[:, None]) * outputs
    tl.store(partial + row + output[None, :], total, mask=both)


def multiply(x_VI: Tensor, weight: BalancedWeight) -> Tensor:
    """Vectors (V, I) times the transposed matrix -> (V, O), in fp32; the same bits in every run.

    Rows are split among programs, and their sums added in order, without atomics.

    Raises:
        ValueError: the weight is no matrix, or shapes disagree.
    """
    if weight.kernel != 1 or x_VI.dim() != 2 or x_VI.shape[1] != weight.channels:
        raise ValueError(f"needs vectors of {weight.channels} numbers and a matrix, not {tuple(x_VI.shape)}")
    vectors, outputs = len(x_VI), weight.outputs
    blocks, keep, _ = weight.values.shape
    across = triton.cdiv(outputs, _OUTPUTS)
    blocks_each = triton.cdiv(blocks, max(min(_PROGRAMS // across, blocks), 1))
    splits = triton.cdiv(blocks, blocks_each)
    partial = x_VI.new_empty((splits, vectors, outputs), dtype=torch.float32)
    # Triton types constants as if callers passed its own type.
    launch = cast(Any, _multiply)[(across, splits)]
    launch(
        x_VI.contiguous(), weight.values, weight.positions, partial,
        vectors, outputs, blocks, blocks_each,
        BLOCK=weight.block, KEEP=keep, VECTORS=triton.next_power_of_2(vectors), OUTPUTS=_OUTPUTS,
    )  # fmt: skip
    return partial[0] if splits == 1 else partial.sum(0)
