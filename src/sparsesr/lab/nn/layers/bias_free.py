"""A convolution without bias that is followed by a ReLU."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class BiasFreeConv(nn.Module):
    """``relu(conv(x))``, size kept, no bias: what ESRT fuses branches with, and ends its skip branch with."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W), nowhere negative."""
        return functional.relu(self.conv(feat_BCHW))
