"""SMSR: "Exploring Sparsity in Image Super-Resolution for Efficient Inference" (Wang et al., CVPR 2021).

Parameter names equal those of the weights that the authors published. Shape suffixes: B batch, C channels, H and W
rows and columns of the LR picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.pictures import BicubicUpsample, MeanShift
from sparsesr.lab.nn.layers.sparse_mask import SparseMaskModule


@dataclass(frozen=True)
class SMSRConfig:
    """Hyper-parameters; the defaults are the paper's."""

    scale: int = 2
    channels: int = 64
    modules: int = 5
    layers: int = 4
    mask_channels: int = 16
    attention_channels: int = 4
    #: The network works on 0..value_range inside; in and out are always 0..1.
    value_range: float = 255.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise ValueError(f"scale must be 2, 3 or 4, not {self.scale}")
        if min(self.channels, self.modules, self.layers, self.mask_channels, self.attention_channels) < 1:
            raise ValueError(f"all sizes must be at least 1: {self}")


class SMSR(nn.Module):
    """Sparse mask super-resolution network. Input (B, 3, H, W) in 0..1 with even H and W; output scale times larger."""

    def __init__(self, config: SMSRConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SMSRConfig()
        channels = config.channels
        self.sub_mean = MeanShift(config.value_range, -1)
        self.add_mean = MeanShift(config.value_range, +1)
        self.head = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )
        self.body = nn.ModuleList(
            SparseMaskModule(channels, config.layers, config.mask_channels, config.attention_channels)
            for _ in range(config.modules)
        )
        self.collect = nn.Sequential(
            nn.Conv2d(channels * config.modules, channels, 1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.tail = nn.Sequential(
            nn.Conv2d(channels, 3 * config.scale**2, 3, padding=1), nn.PixelShuffle(config.scale)
        )
        self.upsample = BicubicUpsample(config.scale)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Enlarge a batch; not clipped."""
        x_B3HW = self.sub_mean(image_B3HW * self.config.value_range)
        head_BCHW = self.head(x_B3HW)
        feat_BCHW = head_BCHW
        module_outputs: list[Tensor] = []
        for module in self.body:
            feat_BCHW = module(feat_BCHW)
            module_outputs.append(feat_BCHW)
        feat_BCHW = self.collect(torch.cat(module_outputs, dim=1)) + head_BCHW
        return self.add_mean(self.tail(feat_BCHW) + self.upsample(x_B3HW)) / self.config.value_range

    def sparse_modules(self) -> list[SparseMaskModule]:
        """The sparse mask modules, in order."""
        return [module for module in self.body if isinstance(module, SparseMaskModule)]

    def density(self) -> Tensor:
        """Kept fraction of the last forward pass, averaged over modules: the sparsity loss (section 3.3)."""
        return torch.stack([module.last_density for module in self.sparse_modules()]).mean()

    def set_temperature(self, temperature: float) -> None:
        """Set the Gumbel temperature of every spatial and channel mask."""
        for module in self.sparse_modules():
            module.temperature = temperature

    def open_masks(self, is_open: bool = True) -> None:
        """Keep every pixel and channel (or mask them again): a training may begin with the dense network."""
        for module in self.sparse_modules():
            module.is_open = is_open

    def teach_masks(self, is_taught: bool = True) -> None:
        """Begin (or end) a lesson of the mask heads: they see the features of open modules too, and shape none."""
        for module in self.sparse_modules():
            module.is_taught = is_taught

    def share_batch(self, index: int, parts: int) -> None:
        """This process sees the ``index``-th of ``parts`` equal parts of every batch (see ``gumbel_softmax``)."""
        for module in self.sparse_modules():
            module.batch_part = (index, parts)

    def freeze_channel_masks(self) -> None:
        """Make the channel masks hard for the rest of the training; halves the work of the masked layers."""
        for module in self.sparse_modules():
            module.body.is_channel_mask_frozen = True
            module.body.ch_mask.requires_grad_(False)

    def harden_spatial_masks(self) -> None:
        """Train with the spatial masks that evaluation sees from here on."""
        for module in self.sparse_modules():
            module.is_spatial_mask_hard = True

    def parameter_counts(self) -> dict[str, int]:
        """Numbers stored: ``network`` weights, ``channel_masks`` and the constant ``mean_shift``."""
        counts = {"network": 0, "channel_masks": 0, "mean_shift": 0}
        for name, parameter in self.named_parameters():
            kind = "channel_masks" if name.endswith("ch_mask") else "network"
            kind = "mean_shift" if name.split(".")[0] in ("sub_mean", "add_mean") else kind
            counts[kind] += parameter.numel()
        return counts
