"""Balanced convolution as an implicit matrix product, in Triton: 1x1 or 3x3, stride 1, zero padding.

A program computes a tile of pixels x outputs. Nothing is unfolded: for each tap and block, a pixel's inputs are one
short run of channels in memory (channels last), from which every output picks its kept ones. A value and its position
are loaded once for all pixels of the tile.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from torch import Tensor

from sparsesr.lab.gpu.balanced_weight import BalancedWeight

_PIXELS, _OUTPUTS = 64, 32


@triton.jit
def _convolve(
    x, values, positions, bias, y, height, width, pixels, channels, outputs,
    BLOCK: tl.constexpr, KEEP: tl.constexpr, SIDE: tl.constexpr, HAS_BIAS: tl.constexpr,
    PIXELS: tl.constexpr, OUTPUTS: tl.constexpr,
):  # fmt: skip
    """``x`` (pixels, channels) and ``y`` (pixels, outputs) of a batch of images, channels last."""
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    is_output = output < outputs
    column = pixel % width
    row = (pixel // width) % height
    total = tl.zeros((PIXELS, OUTPUTS), dtype=tl.float32)
    if HAS_BIAS:
        total += tl.load(bias + output, mask=is_output, other=0.0)[None, :]
    for tap in range(SIDE * SIDE):
        down = tap // SIDE - SIDE // 2
        right = tap % SIDE - SIDE // 2  # pyright: ignore[reportOperatorIssue]
        is_inside = (
            (row + down >= 0) & (row + down < height) & (column + right >= 0) & (column + right < width)
        )
        is_read = (is_inside & (pixel < pixels))[:, None] & is_output[None, :]
        inputs = x + (pixel + down * width + right)[:, None].to(tl.int64) * channels
        for block in range(channels // BLOCK):
            for kept in range(KEEP):
                place = ((tap * (channels // BLOCK) + block) * KEEP + kept) * outputs + output
                value = tl.load(values + place, mask=is_output, other=0.0)
                position = tl.load(positions + place, mask=is_output, other=0).to(tl.int32)
                seen = tl.load(inputs + (block * BLOCK + position)[None, :], mask=is_read, other=0.0)
                total += value[None, :] * seen
    is_written = (pixel < pixels)[:, None] & is_output[None, :]
    tl.store(y + pixel[:, None].to(tl.int64) * outputs + output[None, :], total, mask=is_written)


def convolve(feat_BCHW: Tensor, weight: BalancedWeight, bias: Tensor | None = None) -> Tensor:
    """(B, C, H, W) -> (B, O, H, W) in fp32, channels last.

    Raises:
        ValueError: the map has other channels than the weight.
    """
    if feat_BCHW.dim() != 4 or feat_BCHW.shape[1] != weight.channels:
        raise ValueError(f"needs a map of {weight.channels} channels, not {tuple(feat_BCHW.shape)}")
    batch, channels, height, width = feat_BCHW.shape
    result = torch.empty(
        (batch, weight.outputs, height, width),
        dtype=torch.float32,
        device=feat_BCHW.device,
        memory_format=torch.channels_last,
    )
    pixels = batch * height * width
    grid = (triton.cdiv(pixels, _PIXELS), triton.cdiv(weight.outputs, _OUTPUTS))
    feat_BHWC = feat_BCHW.permute(0, 2, 3, 1).contiguous()
    launch = cast(Any, _convolve)[grid]  # triton types constants as if callers passed its own type
    launch(
        feat_BHWC, weight.values, weight.positions,
        weight.values if bias is None else bias, result.permute(0, 2, 3, 1),
        height, width, pixels, channels, weight.outputs,
        BLOCK=weight.block, KEEP=weight.values.shape[1], SIDE=weight.kernel, HAS_BIAS=bias is not None,
        PIXELS=_PIXELS, OUTPUTS=_OUTPUTS,
    )  # fmt: skip
    return result
