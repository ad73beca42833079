"""The high preserving block of ESRT (CVPRW 2022, section 3.2): detail at full, the rest at half resolution.

Shape suffixes: B batch, C channels, H and W rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.adaptive_residual import AdaptiveResidualBlock
from sparsesr.lab.nn.layers.bias_free import BiasFreeConv
from sparsesr.lab.nn.layers.channel_attention import ChannelAttention
from sparsesr.lab.nn.layers.resolution import BilinearLike, HalfPool


class HighPreservingBlock(nn.Module):
    """Splits a map into its half-resolution mean and the detail that this loses, and refines both apart.

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
        self.enlarge = BilinearLike()

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; H and W at least 2."""
        encoded = self.encoder(feat_BCHW)
        low_BChw = self.down(encoded)
        high = encoded - self.enlarge(low_BChw, encoded)
        for _ in range(self.low_passes):
            low_BChw = self.decoder_low(low_BChw)
        both = torch.cat([self.enlarge(low_BChw, encoded), self.decoder_high(high)], dim=1)
        return self.alise(self.att(self.alise2(both))) + feat_BCHW
