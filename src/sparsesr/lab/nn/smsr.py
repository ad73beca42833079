"""SMSR: "Exploring Sparsity in Image Super-Resolution for Efficient Inference" (Wang et al., CVPR 2021).

Parameter names equal those of the authors' published weights. Shape suffixes: B batch, C channels, H and W rows and
columns of the LR image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.from_tensors import check_held, count_entries, value_range
from sparsesr.lab.nn.layers.image_layers import BicubicUpsample, MeanShift
from sparsesr.lab.nn.layers.sparse_mask import SparseMaskModule
from sparsesr.lab.nn.masked_network import MaskedNetwork
from sparsesr.lab.nn.network import Architecture, Networks, StateDict
from sparsesr.lab.nn.widening import is_narrower, widened


@dataclass(frozen=True)
class SMSRConfig:
    """Hyper-parameters; the defaults are the paper's."""

    scale: int = 2
    channels: int = 64
    modules: int = 5
    layers: int = 4
    mask_channels: int = 16
    attention_channels: int = 4
    #: The network computes on 0..value_range; input and output are always 0..1.
    value_range: float = 255.0

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise ValueError(f"scale must be 2, 3 or 4, not {self.scale}")
        if min(self.channels, self.modules, self.layers, self.mask_channels, self.attention_channels) < 1:
            raise ValueError(f"all sizes must be at least 1: {self}")


class SMSR(MaskedNetwork):
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
        """Upscale a batch; not clipped."""
        x_B3HW = self.sub_mean(image_B3HW * self.config.value_range)
        head_BCHW = self.head(x_B3HW)
        feat_BCHW = head_BCHW
        module_outputs: list[Tensor] = []
        for module in self.body:
            feat_BCHW = module(feat_BCHW)
            module_outputs.append(feat_BCHW)
        feat_BCHW = self.collect(torch.cat(module_outputs, dim=1)) + head_BCHW
        return self.add_mean(self.tail(feat_BCHW) + self.upsample(x_B3HW)) / self.config.value_range

    def mask_units(self) -> list[SparseMaskModule]:
        """The sparse mask modules, in order."""
        return [module for module in self.body if isinstance(module, SparseMaskModule)]

    def accept_dense_channels(self, counts: Mapping[str, int]) -> bool:
        """See the base class; channel masks become certain."""
        names = [
            [f"body.{index}.layer{layer}" for layer in range(self.config.layers)]
            for index in range(self.config.modules)
        ]
        if not {name for layers in names for name in layers} <= counts.keys():
            return False
        for unit, layers in zip(self.mask_units(), names, strict=True):
            unit.body.fix_dense([counts[name] for name in layers])
        return True

    def adapted(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Weights of a narrower SMSR become part of this one, which then computes the same; others are unchanged."""
        return widened(weights, self) if is_narrower(weights, self) else weights

    def parameter_counts(self) -> dict[str, int]:
        """Stored numbers: ``network`` weights, ``channel_masks`` and the constant ``mean_shift``."""
        counts = {"network": 0, "channel_masks": 0, "mean_shift": 0}
        for name, parameter in self.named_parameters():
            kind = "channel_masks" if name.endswith("ch_mask") else "network"
            kind = "mean_shift" if name.split(".")[0] in ("sub_mean", "add_mean") else kind
            counts[kind] += parameter.numel()
        return counts


def _from_tensors(tensors: StateDict) -> nn.Module:
    scale = math.isqrt(tensors["tail.0.weight"].shape[0] // 3)
    config = SMSRConfig(
        scale=scale,
        channels=tensors["head.0.weight"].shape[0],
        modules=count_entries(tensors, "body."),
        layers=tensors["body.0.body.ch_mask"].shape[2],
        mask_channels=tensors["body.0.spa_mask.0.weight"].shape[0],
        attention_channels=tensors["body.0.ca.conv_du.0.weight"].shape[0],
        value_range=value_range(tensors["sub_mean.bias"]),
    )
    check_held(9 * config.channels**2 * config.modules * config.layers, tensors)
    with torch.device("meta"):  # weights are loaded next, so none need to be initialised
        module = SMSR(config)
    return module.to_empty(device="cpu")


ARCHITECTURE = Architecture(
    "smsr",
    frozenset(
        {
            "sub_mean.bias",
            "head.0.weight",
            "body.0.body.ch_mask",
            "body.0.spa_mask.0.weight",
            "body.0.ca.conv_du.0.weight",
            "collect.0.weight",
            "tail.0.weight",
        }
    ),
    _from_tensors,
)

# Training is faster on 0..1 than on the paper's 0..255; the functions are equivalent, and import supports both.
_WIDE = {"value_range": 1}
# Half the width, about a quarter of the multiply-adds.
_NARROW = {**_WIDE, "channels": 32, "mask_channels": 8, "attention_channels": 4}


def _create(**settings: int) -> nn.Module:
    return SMSR(SMSRConfig(**settings))


NETWORKS: Networks = {
    f"{name}_x{scale}": partial(_create, scale=scale, **settings)
    for name, settings in (("smsr", _WIDE), ("smsr_s", _NARROW))
    for scale in (2, 3, 4)
}
