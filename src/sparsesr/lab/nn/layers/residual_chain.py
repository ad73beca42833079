"""A chain of residual blocks, trained by native kernels.

Shape suffixes: B batch, C channels, H and W rows and columns, 1 a broadcast axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsesr import _native
from sparsesr.lab.nn.layers.residual_block import ResidualBlock


class ResidualChain(nn.ModuleList):
    """Residual blocks in sequence.

    Training on a processor uses native kernels, unless the mask is soft or needs a gradient: under autocast to bf16
    those for AMX, which keep an image in the caches through all blocks; in fp32 those for AVX2 and AVX-512, which
    compute at active pixels only. All else, evaluation included, runs block by block in torch.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__([ResidualBlock(channels) for _ in range(blocks)])
        self.channels = channels

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        dtype = self._native_dtype(feat_BCHW) if self.training else None
        if dtype is not None and _is_none_or_hard(mask_B1HW):
            return self._forward_natively(feat_BCHW, mask_B1HW, dtype)  # type: ignore[call-arg]
        for block in self:
            feat_BCHW = block(feat_BCHW) if mask_B1HW is None else block(feat_BCHW, mask_B1HW)
        return feat_BCHW

    def _native_dtype(self, feat_BCHW: Tensor) -> torch.dtype | None:
        """Type in which native kernels can train here; None: torch does."""
        if feat_BCHW.device.type != "cpu" or feat_BCHW.numel() == 0 or len(self) == 0:
            return None
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else feat_BCHW.dtype
        chain = _CHAINS.get(dtype)
        return dtype if chain is not None and _native.can_train_chain(self.channels, chain.dtype) else None

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
        chain = _CHAINS[dtype].kind(
            [_channels_last(weight, torch.float32) for weight in parameters[:layers]],
            [bias.detach().float().contiguous().numpy() for bias in parameters[layers:]],
            torch.get_num_threads(),
        )
        output_BCHW = _empty_like(feat_BCHW, dtype)
        active_BHW = None if mask_B1HW is None else (mask_B1HW[:, 0] > 0).to(torch.uint8).contiguous().numpy()
        features, output = (_values(each, dtype) for each in (feat_BCHW, output_BCHW))
        ctx.maps = chain.forward(features, output, torch.get_num_threads(), active_BHW)
        ctx.chain, ctx.dtype = chain, dtype
        ctx.shapes = [parameter.shape for parameter in parameters]
        ctx.feature_dtype = feat_BCHW.dtype
        return output_BCHW

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient_BCHW: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        feature_gradient_BCHW = _empty_like(gradient_BCHW, ctx.dtype)
        gradients = [_empty(shape, torch.float32) for shape in ctx.shapes]
        layers = len(gradients) // 2
        ctx.chain.backward(
            ctx.maps,
            _values(gradient_BCHW, ctx.dtype),
            _values(feature_gradient_BCHW, ctx.dtype),
            [_channels_last(gradient, torch.float32) for gradient in gradients[:layers]],
            [gradient.numpy() for gradient in gradients[layers:]],
            torch.get_num_threads(),
        )
        return None, feature_gradient_BCHW.to(ctx.feature_dtype), None, *gradients


@dataclass(frozen=True)
class _Chain:
    kind: type[_native.ResidualChain] | type[_native.SparseChain]
    dtype: str
    """Of its maps, as the native module calls it."""


_CHAINS = {
    torch.bfloat16: _Chain(_native.ResidualChain, "bf16"),
    torch.float32: _Chain(_native.SparseChain, "f32"),
}


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


def _values(feat_BCHW: Tensor, dtype: torch.dtype) -> NDArray[Any]:
    """(B, H, W, C), copied only if not stored that way; bf16 as uint16, since numpy has no bf16."""
    feat_BHWC = feat_BCHW.detach().to(dtype).permute(0, 2, 3, 1).contiguous()
    return (feat_BHWC.view(torch.uint16) if dtype is torch.bfloat16 else feat_BHWC).numpy()
