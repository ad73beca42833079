"""Channel attention over the whole picture (squeeze-and-excitation; RCAN, section 3.3)."""

from __future__ import annotations

from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """Scales each channel by a weight computed from the picture's mean features.

    The mean is over the *whole* picture: a network with this layer is not local, so image tiles change its result.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv_du = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return feat_BCHW * self.conv_du(self.avg_pool(feat_BCHW))
