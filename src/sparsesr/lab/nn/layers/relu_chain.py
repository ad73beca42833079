"""Convolutions in sequence, each followed by ReLU, whose maps are all kept; trained by native kernels.

Shape suffixes: B batch, C channels, K channels of all layers, H and W rows and columns, 1 a broadcast axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from sparsesr import _native
from sparsesr.lab.nn.layers.native_maps import (
    active_pixels,
    channels_last,
    empty,
    is_none_or_hard,
    native_dtype,
    values,
)


def can_train_natively(feat_BCHW: Tensor, mask_B1HW: Tensor | None) -> bool:
    """There are kernels for these features, and the mask is absent, or hard and without a gradient."""
    return native_dtype(feat_BCHW) is not None and is_none_or_hard(mask_B1HW)


@torch.compiler.disable
def relu_chain(feat_BCHW: Tensor, mask_B1HW: Tensor | None, weights: Sequence[Tensor]) -> Tensor:
    """The maps of all layers, ``f = mask relu(conv(f before))``, as channels of one map (B, K, H, W).

    ``weights`` are (C, C, 3, 3) per layer; :func:`can_train_natively` must be true.
    """
    return cast(Tensor, _ReluChain.apply(native_dtype(feat_BCHW), feat_BCHW, mask_B1HW, *weights))


class _ReluChain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, feat_BCHW: Tensor, mask_B1HW: Tensor | None, *weights: Tensor
    ) -> Tensor:
        threads = torch.get_num_threads()
        chain = _CHAINS[dtype]([channels_last(weight, torch.float32) for weight in weights], threads)
        batch, channels, height, width = feat_BCHW.shape
        maps_BKHW = empty(torch.Size((batch, len(weights) * channels, height, width)), dtype)
        features, maps = values(feat_BCHW, dtype), values(maps_BKHW, dtype)
        ctx.maps = chain.forward(features, maps, threads, active_pixels(mask_B1HW))
        ctx.chain, ctx.dtype, ctx.feature = chain, dtype, (feat_BCHW.shape, feat_BCHW.dtype)
        ctx.shapes = [weight.shape for weight in weights]
        return maps_BKHW

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient_BKHW: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        shape, feature_dtype = ctx.feature
        feature_gradient_BCHW = empty(shape, ctx.dtype)
        gradients = [empty(shape, torch.float32) for shape in ctx.shapes]
        ctx.chain.backward(
            ctx.maps,
            values(gradient_BKHW, ctx.dtype),
            values(feature_gradient_BCHW, ctx.dtype),
            [channels_last(gradient, torch.float32) for gradient in gradients],
            torch.get_num_threads(),
        )
        return None, feature_gradient_BCHW.to(feature_dtype), None, *gradients


_CHAINS: dict[torch.dtype, type[_native.ReluChain] | type[_native.WinogradReluChain]] = {
    torch.bfloat16: _native.ReluChain,
    torch.float32: _native.WinogradReluChain,
}
