"""The adaptive residual feature block of ESRT (CVPRW 2022, section 3.2) and its residual unit.

Shape suffixes: B batch, C channels, H and W rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.bias_free import BiasFreeConv
from sparsesr.lab.nn.layers.channel_attention import ChannelAttention
from sparsesr.lab.nn.layers.weighted import Weight


class ResidualUnit(nn.Module):
    """Reduction to half the channels, expansion back, and both branches weighted."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv = nn.Conv2d(channels, half, 3, padding=1)
        self.conv1 = nn.Conv2d(half, channels, 3, padding=1)
        self.relu = nn.PReLU(half)
        self.weight1 = Weight()
        self.weight2 = Weight()

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return self.weight1(feat_BCHW) + self.weight2(self.conv1(self.relu(self.conv(feat_BCHW))))


class AdaptiveResidualBlock(nn.Module):
    """Two residual units, their outputs fused and weighted by channel attention, and a weighted skip."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.layer1 = ResidualUnit(channels)
        self.layer2 = ResidualUnit(channels)
        self.layer4 = BiasFreeConv(channels, channels, 3)
        self.alise = BiasFreeConv(2 * channels, channels, 1)
        self.atten = ChannelAttention(channels, channels // reduction)
        self.weight1 = Weight()  # published weights hold it, but nothing reads it
        self.weight2 = Weight()
        self.weight3 = Weight()
        self.weight4 = Weight()
        self.weight5 = Weight()

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        first = self.layer1(feat_BCHW)
        second = self.layer2(first)
        fused = self.alise(torch.cat([self.weight2(second), self.weight3(first)], dim=1))
        refined = self.layer4(self.atten(fused))
        return self.weight4(feat_BCHW) + self.weight5(refined)
