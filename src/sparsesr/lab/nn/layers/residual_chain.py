"""A chain of residual blocks, trained by native kernels.

Shape suffixes: B batch, C channels, H and W rows and columns, 1 a broadcast axis.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from sparsesr import _native
from sparsesr.lab.nn.layers.native_maps import (
    active_pixels,
    channels_last,
    empty,
    is_none_or_hard,
    native_dtype,
    values,
)
from sparsesr.lab.nn.layers.residual_block import ResidualBlock


class ResidualChain(nn.ModuleList):
    """Residual blocks in sequence.

    Training on a processor uses native kernels, unless the mask is soft or needs a gradient: under autocast to bf16
    those for AMX, which keep an image in the caches through all blocks; in fp32 those for AVX2 and AVX-512, which
    compute the tiles of 4x4 pixels that hold an active one. All else, evaluation included, runs block by block in
    torch.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__([ResidualBlock(channels) for _ in range(blocks)])
        self.channels = channels

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        dtype = native_dtype(feat_BCHW) if self.training and len(self) > 0 else None
        if dtype is not None and is_none_or_hard(mask_B1HW):
            return self._forward_natively(feat_BCHW, mask_B1HW, dtype)  # type: ignore[call-arg]
        for block in self:
            feat_BCHW = block(feat_BCHW) if mask_B1HW is None else block(feat_BCHW, mask_B1HW)
        return feat_BCHW

    @torch.compiler.disable
    def _forward_natively(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None, dtype: torch.dtype) -> Tensor:
        blocks = cast("list[ResidualBlock]", list(self))
        convolutions = [convolution for block in blocks for convolution in (block.a, block.b)]
        weights = [convolution.weight for convolution in convolutions]
        biases = [convolution.bias for convolution in convolutions]
        return cast(Tensor, _NativeChain.apply(dtype, feat_BCHW, mask_B1HW, *weights, *biases))


class _NativeChain(torch.autograd.Function):
    """Type of the maps, features, a mask of 0 and 1 or None, all weights, all biases -> features after all blocks."""

    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, feat_BCHW: Tensor, mask_B1HW: Tensor | None, *parameters: Tensor
    ) -> Tensor:
        layers = len(parameters) // 2
        chain = _CHAINS[dtype](
            [channels_last(weight, torch.float32) for weight in parameters[:layers]],
            [bias.detach().float().contiguous().numpy() for bias in parameters[layers:]],
            torch.get_num_threads(),
        )
        output_BCHW = empty(feat_BCHW.shape, dtype)
        features, output = (values(each, dtype) for each in (feat_BCHW, output_BCHW))
        ctx.maps = chain.forward(features, output, torch.get_num_threads(), active_pixels(mask_B1HW))
        ctx.chain, ctx.dtype = chain, dtype
        ctx.shapes = [parameter.shape for parameter in parameters]
        ctx.feature_dtype = feat_BCHW.dtype
        return output_BCHW

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient_BCHW: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        feature_gradient_BCHW = empty(gradient_BCHW.shape, ctx.dtype)
        gradients = [empty(shape, torch.float32) for shape in ctx.shapes]
        layers = len(gradients) // 2
        ctx.chain.backward(
            ctx.maps,
            values(gradient_BCHW, ctx.dtype),
            values(feature_gradient_BCHW, ctx.dtype),
            [channels_last(gradient, torch.float32) for gradient in gradients[:layers]],
            [gradient.numpy() for gradient in gradients[layers:]],
            torch.get_num_threads(),
        )
        return None, feature_gradient_BCHW.to(ctx.feature_dtype), None, *gradients


_CHAINS: dict[torch.dtype, type[_native.ResidualChain] | type[_native.WinogradResidualChain]] = {
    torch.bfloat16: _native.ResidualChain,
    torch.float32: _native.WinogradResidualChain,
}
