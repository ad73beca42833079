"""Adaptive residual feature block of ESRT (CVPRW 2022, section 3.2) and its residual unit.

Shape suffixes: B batch, C channels, H and W rows and columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.bias_free import BiasFreeConv
from sparsesr.lab.nn.layers.channel_attention import ChannelAttention
from sparsesr.lab.nn.layers.weighted import Weight, weighted_sum
from sparsesr.lab.nn.lowering import Lowering


class ResidualUnit(nn.Module):
    """Reduction to half the channels and expansion back, as a weighted residual branch."""

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

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add four nodes; returns the weighted sum."""
        (feature,) = inputs
        hidden = graph.add_conv(self.conv, [feature], f"{name}.conv")
        slopes = {"slopes": self.relu.weight}
        hidden = graph.add("add", [hidden], f"{name}.relu", slopes, activation="leaky_relu")
        detail = graph.add_conv(self.conv1, [hidden], f"{name}.conv1")
        return weighted_sum(graph, {feature: self.weight1, detail: self.weight2}, name)


class AdaptiveResidualBlock(nn.Module):
    """Two residual units, fused and weighted by channel attention, with a weighted skip."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.layer1 = ResidualUnit(channels)
        self.layer2 = ResidualUnit(channels)
        self.layer4 = BiasFreeConv(channels, channels, 3)
        self.alise = BiasFreeConv(2 * channels, channels, 1)
        self.atten = ChannelAttention(channels, channels // reduction)
        self.weight1 = Weight()  # unused, but part of published state dicts
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

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add all nodes of the block; returns the weighted sum."""
        (feature,) = inputs
        first = self.layer1.lower(graph, [feature], f"{name}.layer1")
        second = self.layer2.lower(graph, [first], f"{name}.layer2")
        factors = [self.weight2.scale, self.weight3.scale]
        fused = self.alise.lower_weighted(graph, [second, first], factors, f"{name}.alise")
        scaled = self.atten.lower(graph, [fused], f"{name}.atten")
        refined = self.layer4.lower(graph, [scaled], f"{name}.layer4")
        return weighted_sum(graph, {feature: self.weight4, refined: self.weight5}, name)
