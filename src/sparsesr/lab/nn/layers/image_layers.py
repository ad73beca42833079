"""Layers at the ends of a network: mean colour and bicubic upscaling."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

# Mean colour of the DIV2K training images on 0..1, as used by EDSR and its descendants.
DIV2K_MEAN_RGB = (0.4488, 0.4371, 0.4040)


class MeanShift(nn.Conv2d):
    """Adds (``sign`` +1) or subtracts (-1) the mean colour; a frozen 1x1 convolution, for the usual tensor names."""

    def __init__(self, value_range: float, sign: int) -> None:
        super().__init__(3, 3, kernel_size=1)
        with torch.no_grad():
            self.weight.copy_(torch.eye(3).reshape(3, 3, 1, 1))
        self.bias = nn.Parameter(sign * value_range * torch.tensor(DIV2K_MEAN_RGB))
        self.requires_grad_(False)

    def forward(self, input: Tensor) -> Tensor:
        """(B, 3, H, W) -> the same shape, never in bf16: its steps are as coarse as those of 8-bit images."""
        x_B3HW = input.to(self.weight.dtype)
        if self.training and x_B3HW.device.type == "cpu" and self._is_identity():
            # A convolution of a whole HR batch takes a twentieth of a training step.
            return x_B3HW + self.bias[:, None, None]  # type: ignore[index]
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(x_B3HW)

    def _is_identity(self) -> bool:
        return bool((self.weight.flatten(1) == torch.eye(3)).all())


class UnitRange(nn.Module):
    """``(tanh(z) + 1) / 2``: keeps results in 0..1."""

    def forward(self, image_B3YX: Tensor) -> Tensor:
        """(B, 3, Y, X) -> the same shape, in 0..1."""
        return (torch.tanh(image_B3YX) + 1) / 2


class BicubicUpsample(nn.Module):
    """Bicubic upscaling as in torch: a = -0.75, half-pixel centres, clamped edges."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 3, scale H, scale W)."""
        if self.training and image_B3HW.device.type == "cpu":
            return self._by_matrices(image_B3HW)
        return _bicubic(image_B3HW, (self.scale, self.scale))

    def _by_matrices(self, image_B3HW: Tensor) -> Tensor:
        """The same up to rounding, by matrix products: several times as fast for small images on CPUs."""
        with torch.autocast("cpu", enabled=False):
            rows_YH, columns_XW = (_matrix(size, self.scale) for size in image_B3HW.shape[2:])
            return rows_YH @ image_B3HW.float().contiguous() @ columns_XW.T


def _bicubic(image_BCHW: Tensor, scales: tuple[int, int]) -> Tensor:
    return functional.interpolate(image_BCHW, scale_factor=scales, mode="bicubic", align_corners=False)


@cache
def _matrix(size: int, scale: int) -> Tensor:
    """Matrix of bicubic upscaling along one axis, (scale * size, size)."""
    return _bicubic(torch.eye(size)[None, None], (scale, 1))[0, 0]
