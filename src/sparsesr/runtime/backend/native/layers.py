"""Table of the native backend's layers by operation."""

from __future__ import annotations

from collections.abc import Callable

from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.backend.native.convolution_layers import Conv, FoldedConvs, MaskedConv
from sparsesr.runtime.backend.native.copies import WrittenByAnother
from sparsesr.runtime.backend.native.layer import NativeLayer, Weights
from sparsesr.runtime.backend.native.map_layers import (
    Add,
    AvgPool,
    Bicubic,
    ChannelAttention,
    Deconv,
    GlobalMean,
    Image,
    PixelShuffle,
    ScaleAdd,
    SpatialMask,
    UpsampledMask,
)
from sparsesr.runtime.backend.native.single_map_layers import DepthwiseConv, Nearest, Sigmoid
from sparsesr.runtime.backend.native.token_layers import Bilinear, Fold, LayerNorm, SegmentAttention, Unfold

LAYERS: dict[str, Callable[[TypedNode, Weights], NativeLayer]] = {
    "image": Image,
    "conv2d": Conv,
    "masked_conv2d": MaskedConv,
    "depthwise_conv3x3": DepthwiseConv,
    "avg_pool2x2": AvgPool,
    "conv_transpose2x": Deconv,
    "spatial_mask": SpatialMask,
    "global_mean": GlobalMean,
    "channel_attention": ChannelAttention,
    "scale_add": ScaleAdd,
    "add": Add,
    "quantise": WrittenByAnother,
    "upsampled_mask": UpsampledMask,
    "reached_conv2d": Conv,
    "folded_convs": FoldedConvs,
    "mean_outside_mask": GlobalMean,
    "scale_add_outside_mask": ScaleAdd,
    "bilinear_upsample": Bilinear,
    "unfold3x3": Unfold,
    "fold3x3": Fold,
    "layer_norm": LayerNorm,
    "segment_attention": SegmentAttention,
    "nearest_upsample": Nearest,
    "sigmoid": Sigmoid,
    "pixel_shuffle": PixelShuffle,
    "bicubic_upsample": Bicubic,
}
"""Layer class by operation name."""
