"""High preserving block of ESRT (CVPRW 2022, section 3.2): detail at full resolution, the rest at half.

Shape suffixes: B batch, C channels, H and W rows and columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.adaptive_residual import AdaptiveResidualBlock
from sparsesr.lab.nn.layers.bias_free import BiasFreeConv
from sparsesr.lab.nn.layers.channel_attention import ChannelAttention
from sparsesr.lab.nn.layers.resolution import BilinearLike, HalfPool
from sparsesr.lab.nn.lowering import Lowering


class HighPreservingBlock(nn.Module):
    """Splits a map into its half-resolution mean and the remaining detail, and refines both separately.

    The low branch is one block, run ``low_passes`` times with the same weights.
    """

    def __init__(self, channels: int, reduction: int, low_passes: int) -> None:
        super().__init__()
        self.low_passes = low_passes
        self.encoder = AdaptiveResidualBlock(channels, reduction)
        self.decoder_low = AdaptiveResidualBlock(channels, reduction)
        self.decoder_high = AdaptiveResidualBlock(channels, reduction)
        self.alise = AdaptiveResidualBlock(channels, reduction)
        self.alise2 = BiasFreeConv(2 * channels, channels, 1)
        self.att = ChannelAttention(channels, channels // reduction)
        self.down = HalfPool()
        self.upscale = BilinearLike()

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; H and W at least 2."""
        encoded = self.encoder(feat_BCHW)
        low_BChw = self.down(encoded)
        high = encoded - self.upscale(low_BChw, encoded)
        for _ in range(self.low_passes):
            low_BChw = self.decoder_low(low_BChw)
        both = torch.cat([self.upscale(low_BChw, encoded), self.decoder_high(high)], dim=1)
        return self.alise(self.att(self.alise2(both))) + feat_BCHW

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add all nodes of the block; ``bilinear_upsample`` uses only the size of its second input, ``feature``."""
        (feature,) = inputs
        encoded = self.encoder.lower(graph, [feature], f"{name}.encoder")
        low = graph.add("avg_pool2x2", [encoded], f"{name}.down")
        coarse = graph.add("bilinear_upsample", [low, feature], f"{name}.coarse")
        high = graph.add("add", [encoded, coarse], f"{name}.high", factors=[1.0, -1.0])
        for index in range(self.low_passes):
            low = self.decoder_low.lower(graph, [low], f"{name}.decoder_low.{index}")
        wide = graph.add("bilinear_upsample", [low, feature], f"{name}.wide")
        high = self.decoder_high.lower(graph, [high], f"{name}.decoder_high")
        fused = self.alise2.lower(graph, [wide, high], f"{name}.alise2")
        scaled = self.att.lower(graph, [fused], f"{name}.att")
        refined = self.alise.lower(graph, [scaled], f"{name}.alise")
        return graph.add("add", [refined, feature], name)
