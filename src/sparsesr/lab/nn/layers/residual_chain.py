"""A chain of residual blocks, trained by native kernels on processors with AMX.

Shape suffixes: B batch, C channels, H and W rows and columns, 1 a broadcast axis.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsesr import _native
from sparsesr.lab.nn.layers.residual_block import ResidualBlock


class ResidualChain(nn.ModuleList):
    """Residual blocks in sequence.

    Training under autocast to bf16 on a processor with AMX uses native kernels that keep an image in the caches
    through all blocks, unless the mask is soft or needs a gradient. All else, evaluation included, runs block by
    block in torch.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__([ResidualBlock(channels) for _ in range(blocks)])
        self.channels = channels

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        if self.training and self._is_native(feat_BCHW) and _is_none_or_hard(mask_B1HW):
            return self._forward_natively(feat_BCHW, mask_B1HW)  # type: ignore[call-arg]
        for block in self:
            feat_BCHW = block(feat_BCHW) if mask_B1HW is None else block(feat_BCHW, mask_B1HW)
        return feat_BCHW

    def _is_native(self, feat_BCHW: Tensor) -> bool:
        is_bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
        is_there = feat_BCHW.device.type == "cpu" and feat_BCHW.numel() > 0 and len(self) > 0
        return is_bf16 and is_there and _native.can_train_chain(self.channels)

    @torch.compiler.disable
    def _forward_natively(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None) -> Tensor:
        blocks = cast("list[ResidualBlock]", list(self))
        convolutions = [convolution for block in blocks for convolution in (block.a, block.b)]
        weights = [convolution.weight for convolution in convolutions]
        biases = [convolution.bias for convolution in convolutions]
        return cast(Tensor, _NativeChain.apply(feat_BCHW, mask_B1HW, *weights, *biases))


class _NativeChain(torch.autograd.Function):
    """Features, a mask of 0 and 1 or None, all weights, all biases -> features after the last block, in bf16."""

    @staticmethod
    def forward(ctx: Any, feat_BCHW: Tensor, mask_B1HW: Tensor | None, *parameters: Tensor) -> Tensor:
        layers = len(parameters) // 2
        chain = _native.ResidualChain(
            [_channels_last(weight, torch.float32) for weight in parameters[:layers]],
            [bias.detach().float().contiguous().numpy() for bias in parameters[layers:]],
            torch.get_num_threads(),
        )
        output_BCHW = _empty_like(feat_BCHW, torch.bfloat16)
        active_BHW = None if mask_B1HW is None else (mask_B1HW[:, 0] > 0).to(torch.uint8).contiguous().numpy()
        maps = chain.forward(_bits(feat_BCHW), _bits(output_BCHW), torch.get_num_threads(), active_BHW)
        ctx.chain, ctx.maps = chain, maps
        ctx.shapes = [parameter.shape for parameter in parameters]
        ctx.feature_dtype = feat_BCHW.dtype
        return output_BCHW

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient_BCHW: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        feature_gradient_BCHW = _empty_like(gradient_BCHW, torch.bfloat16)
        gradients = [_empty(shape, torch.float32) for shape in ctx.shapes]
        layers = len(gradients) // 2
        ctx.chain.backward(
            ctx.maps,
            _bits(gradient_BCHW),
            _bits(feature_gradient_BCHW),
            [_channels_last(gradient, torch.float32) for gradient in gradients[:layers]],
            [gradient.numpy() for gradient in gradients[layers:]],
            torch.get_num_threads(),
        )
        return feature_gradient_BCHW.to(ctx.feature_dtype), None, *gradients


def _is_none_or_hard(mask_B1HW: Tensor | None) -> bool:
    """True without a mask, or with one of 0 and 1 that needs no gradient."""
    if mask_B1HW is None:
        return True
    return not mask_B1HW.requires_grad and bool(((mask_B1HW == 0) | (mask_B1HW == 1)).all())


def _empty(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """A new tensor, channels last: the order that the kernels write and in which weights are usually trained."""
    order = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    return torch.empty(shape, dtype=dtype, memory_format=order)


def _empty_like(feat_BCHW: Tensor, dtype: torch.dtype) -> Tensor:
    return _empty(feat_BCHW.shape, dtype)


def _channels_last(values: Tensor, dtype: torch.dtype) -> NDArray[Any]:
    """Values in the order (0, 2, 3, 1); copied only if they are not stored that way."""
    return values.detach().to(dtype).permute(0, 2, 3, 1).contiguous().numpy()


def _bits(feat_BCHW: Tensor) -> NDArray[np.uint16]:
    """(B, H, W, C) in bf16 as uint16, since numpy has no bf16; copied only if not stored that way."""
    return feat_BCHW.detach().to(torch.bfloat16).permute(0, 2, 3, 1).contiguous().view(torch.uint16).numpy()
