"""Spatial masks that are not learned, to compare learned ones with: drawn at random, or where the picture has edges.

Shape suffixes: B batch, H and W rows and columns of the LR picture, 3 colours, 1 a broadcast axis.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

# So far apart that no noise of a Gumbel sample turns the choice.
_CERTAIN = 1e4
_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
_LUMA = (0.299, 0.587, 0.114)

MaskSource = Callable[[Tensor], Tensor]
"""From a picture (B, 3, H, W) in 0..1 to a boolean mask (B, 1, H, W)."""


class FixedMaskHead(nn.Module):
    """Stands where a ``SpatialMaskHead`` stands, and looks at the picture that ``look_at`` was given last."""

    def __init__(self, source: MaskSource) -> None:
        super().__init__()
        self.source = source
        self._picture_B3HW = torch.zeros(1, 3, 2, 2)

    def look_at(self, picture_B3HW: Tensor) -> None:
        """The picture whose features come next."""
        self._picture_B3HW = picture_B3HW

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W), of which nothing counts, -> logits (B, 2, H, W) as far apart as can be."""
        mask_B1HW = self.source(self._picture_B3HW).to(feat_BCHW.dtype)
        return _CERTAIN * torch.cat([1 - mask_B1HW, mask_B1HW], dim=1)


def random_source(density: float) -> MaskSource:
    """Each pixel is active with this probability, drawn anew for every picture."""

    def draw(picture_B3HW: Tensor) -> Tensor:
        return torch.rand_like(picture_B3HW[:, :1]) < density

    return draw


def edge_source(threshold: float) -> MaskSource:
    """Active where the edge strength is above the threshold."""
    return lambda picture_B3HW: edge_strength_B1HW(picture_B3HW) > threshold


def edge_strength_B1HW(picture_B3HW: Tensor) -> Tensor:
    """Length of the Sobel gradient of the luma, edges of the picture repeated."""
    luma = (picture_B3HW * picture_B3HW.new_tensor(_LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    across = picture_B3HW.new_tensor(_SOBEL)
    kernels = torch.stack([across, across.T])[:, None]
    gradient_B2HW = functional.conv2d(functional.pad(luma, (1, 1, 1, 1), mode="replicate"), kernels)
    return gradient_B2HW.square().sum(1, keepdim=True).sqrt()


def fix_masks(network: nn.Module, sources: list[MaskSource]) -> None:
    """Give the sparse mask modules of a network, in order, heads of these sources; they see what the network sees."""
    modules = [module for module in network.modules() if hasattr(module, "spa_mask")]
    for module, source in zip(modules, sources, strict=True):
        module.spa_mask = FixedMaskHead(source)
    network.register_forward_pre_hook(_show)


def _show(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    for module in network.modules():
        if isinstance(module, FixedMaskHead):
            module.look_at(inputs[0])
