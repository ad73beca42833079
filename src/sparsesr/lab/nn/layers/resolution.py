"""Halving the resolution and restoring it, for any size; an odd last row or column is dropped when halving."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class HalfPool(nn.Module):
    """Mean of 2x2 blocks; an odd last row or column is dropped."""

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H // 2, W // 2); ValueError below 2x2."""
        if min(feat_BCHW.shape[-2:]) < 2:
            raise ValueError(f"height and width must be at least 2, not {tuple(feat_BCHW.shape[2:])}")
        return functional.avg_pool2d(feat_BCHW, 2)


class NearestUpsample(nn.Module):
    """Every pixel becomes a block of scale x scale pixels."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, scale H, scale W)."""
        return functional.interpolate(feat_BCHW, scale_factor=float(self.scale), mode="nearest")


class BilinearLike(nn.Module):
    """Bilinear upscaling to the size of another map, with aligned corners (``align_corners=True``)."""

    def forward(self, feat_BCHW: Tensor, like_BCHW: Tensor) -> Tensor:
        """(B, C, h, w) and a map of H x W -> (B, C, H, W)."""
        return functional.interpolate(
            feat_BCHW, size=like_BCHW.shape[-2:], mode="bilinear", align_corners=True
        )
