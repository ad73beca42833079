"""Fixed spatial masks as a baseline for learned ones: random, or by edge strength.

Shape suffixes: B batch, H and W rows and columns of the LR image, 3 colours, 1 a broadcast axis.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

# Logit distance that Gumbel noise cannot overturn.
_CERTAIN = 1e4
_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
_LUMA = (0.299, 0.587, 0.114)

MaskSource = Callable[[Tensor], Tensor]
"""From an image (B, 3, H, W) in 0..1 to a boolean mask (B, 1, H, W)."""


class FixedMaskHead(nn.Module):
    """Replaces a ``SpatialMaskHead``; masks depend on the image last passed to ``look_at``."""

    def __init__(self, source: MaskSource) -> None:
        super().__init__()
        self.source = source
        self._image_B3HW = torch.zeros(1, 3, 2, 2)

    def look_at(self, image_B3HW: Tensor) -> None:
        """Set the image of the next forward pass."""
        self._image_B3HW = image_B3HW

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """Logits (B, 2, H, W) that always give the fixed mask; the features (B, C, H, W) only give the dtype."""
        mask_B1HW = self.source(self._image_B3HW).to(feat_BCHW.dtype)
        return _CERTAIN * torch.cat([1 - mask_B1HW, mask_B1HW], dim=1)


def random_source(density: float) -> MaskSource:
    """Each pixel is active with probability ``density``, redrawn for every image."""

    def draw(image_B3HW: Tensor) -> Tensor:
        return torch.rand_like(image_B3HW[:, :1]) < density

    return draw


def edge_source(threshold: float) -> MaskSource:
    """Pixels are active where the edge strength exceeds ``threshold``."""
    return lambda image_B3HW: edge_strength_B1HW(image_B3HW) > threshold


def edge_strength_B1HW(image_B3HW: Tensor) -> Tensor:
    """Magnitude of the Sobel gradient of the luma, image borders replicated."""
    luma = (image_B3HW * image_B3HW.new_tensor(_LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    across = image_B3HW.new_tensor(_SOBEL)
    kernels = torch.stack([across, across.T])[:, None]
    gradient_B2HW = functional.conv2d(functional.pad(luma, (1, 1, 1, 1), mode="replicate"), kernels)
    return gradient_B2HW.square().sum(1, keepdim=True).sqrt()


def fix_masks(network: nn.Module, sources: list[MaskSource]) -> None:
    """Replace a network's mask heads, in order, by heads with these mask sources, which see the network's input."""
    modules = [module for module in network.modules() if hasattr(module, "spa_mask")]
    for module, source in zip(modules, sources, strict=True):
        module.spa_mask = FixedMaskHead(source)
    network.register_forward_pre_hook(_show)


def _show(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    for module in network.modules():
        if isinstance(module, FixedMaskHead):
            module.look_at(inputs[0])
