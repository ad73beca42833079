"""ESRT: "Transformer for Single Image Super-Resolution" (Lu et al., CVPRW 2022, arXiv 2108.11084).

Parameter names equal those of the authors' code, so that its checkpoints can be imported. Where paper and code differ,
this follows the code. Shape suffixes: B batch, C channels, H and W rows and columns of the LR image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.from_tensors import check_held
from sparsesr.lab.nn.layers.bias_free import BiasFreeConv
from sparsesr.lab.nn.layers.efficient_transformer import EfficientTransformer
from sparsesr.lab.nn.layers.high_preserving import HighPreservingBlock
from sparsesr.lab.nn.layers.shuffle_upsampler import ShuffleUpsampler
from sparsesr.lab.nn.layers.weighted import Weight, weighted_sum
from sparsesr.lab.nn.lowering import Lowering
from sparsesr.lab.nn.network import Architecture, Networks, StateDict


@dataclass(frozen=True)
class ESRTConfig:
    """Hyper-parameters; the defaults are the paper's."""

    scale: int = 2
    channels: int = 32
    heads: int = 8
    segments: int = 4
    """Segments into which attention splits the tokens; 1 is full attention."""
    attention_reduction: int = 16
    """Channels per hidden unit of channel attention."""
    low_passes: int = 5
    """Number of passes through the shared low-frequency block."""

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise ValueError(f"scale must be 2, 3 or 4, not {self.scale}")
        if min(self.heads, self.segments, self.attention_reduction, self.low_passes) < 1:
            raise ValueError(f"all sizes must be at least 1: {self}")
        if (
            self.channels % 4
            or 9 * self.channels % (2 * self.heads)
            or self.channels < self.attention_reduction
        ):
            raise ValueError(f"{self.channels} channels are not divisible as needed: {self}")


class Trunk(nn.Module):
    """Three high preserving blocks, fused, and the efficient transformer; the input is added with a weight."""

    def __init__(self, config: ESRTConfig) -> None:
        super().__init__()
        channels = config.channels
        sizes = (channels, config.attention_reduction, config.low_passes)
        self.encoder1 = HighPreservingBlock(*sizes)
        self.encoder2 = HighPreservingBlock(*sizes)
        self.encoder3 = HighPreservingBlock(*sizes)
        self.reduce = nn.Conv2d(3 * channels, channels, 3, padding=1)
        self.attention = EfficientTransformer(channels, config.heads, config.segments)
        self.alise = nn.Conv2d(channels, channels, 3, padding=1)
        self.weight1 = Weight()
        self.weight2 = Weight()

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; H and W at least 2."""
        first = self.encoder1(feat_BCHW)
        second = self.encoder2(first)
        third = self.encoder3(second)
        fused = self.reduce(torch.cat([first, second, third], dim=1))
        return self.weight1(feat_BCHW) + self.weight2(self.alise(self.attention(fused)))

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add all nodes of the trunk; returns the weighted sum."""
        (feature,) = inputs
        first = self.encoder1.lower(graph, [feature], f"{name}.encoder1")
        second = self.encoder2.lower(graph, [first], f"{name}.encoder2")
        third = self.encoder3.lower(graph, [second], f"{name}.encoder3")
        fused = graph.add_conv(self.reduce, [first, second, third], f"{name}.reduce")
        folded = self.attention.lower(graph, [fused], f"{name}.attention")
        deep = graph.add_conv(self.alise, [folded], f"{name}.alise")
        return weighted_sum(graph, {feature: self.weight1, deep: self.weight2}, name)


class ESRT(nn.Module):
    """Efficient super-resolution transformer. Input (B, 3, H, W) in 0..1, at least 2x2; output scale times larger.

    Attention depends on the image size, as segments are quarters of the image: a crop gives other values than the whole
    image. The authors always run it on crops; see :mod:`sparsesr.measure.chopped`.
    """

    #: Smaller images must be padded, as the low branch halves the resolution.
    least_size_px = 2

    def __init__(self, config: ESRTConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ESRTConfig()
        channels = config.channels
        self.up = nn.Sequential(ShuffleUpsampler(channels, config.scale), BiasFreeConv(channels, 3, 3))
        self.head = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1))
        self.body = nn.Sequential(Trunk(config))
        self.tail = nn.Sequential(
            ShuffleUpsampler(channels, config.scale), nn.Conv2d(channels, 3, 3, padding=1)
        )
        self.reduce = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Upscale a batch; not clipped. The skip branch upscales shallow features and ends with a ReLU."""
        shallow_BCHW = self.head(image_B3HW)
        skip_B3HW = self.up(shallow_BCHW)
        deep_BCHW = self.reduce(self.body(shallow_BCHW))
        return self.tail(deep_BCHW) + skip_B3HW


def _from_tensors(tensors: StateDict) -> nn.Module:
    """Sizes from tensors; heads, segments and low passes affect no shape and are taken from the paper."""
    steps = 2 if "up.0.2.weight" in tensors else 1
    channels, rows = tensors["head.0.weight"].shape[0], tensors["up.0.0.weight"].shape[0]
    hidden = tensors["body.0.encoder1.att.conv_du.0.weight"].shape[0]
    config = ESRTConfig(
        scale=math.isqrt(rows // channels) ** steps,
        channels=channels,
        attention_reduction=channels // hidden,
    )
    with torch.device("meta"):
        module = ESRT(config)
    check_held(sum(tensor.numel() for tensor in module.state_dict().values()), tensors)
    return module.to_empty(device="cpu")


ARCHITECTURE = Architecture(
    "esrt",
    frozenset(
        {
            "up.0.0.weight",
            "up.1.conv.weight",
            "head.0.weight",
            "body.0.encoder1.att.conv_du.0.weight",
            "body.0.attention.atten.qkv.weight",
            "tail.1.weight",
        }
    ),
    _from_tensors,
)


def _create(scale: int) -> nn.Module:
    return ESRT(ESRTConfig(scale=scale))


NETWORKS: Networks = {f"esrt_x{scale}": partial(_create, scale) for scale in (2, 3, 4)}
