"""ACNet: "Asymmetric CNN for Image Super-Resolution" (Tian et al., IEEE TSMC: Systems 2021, arXiv 2103.13634).

Parameter names equal those of the authors' code, so that its checkpoints can be imported; where the paper's figures and
the code differ, this follows the code. Shape suffixes: B batch, C channels, H and W rows and columns of the LR
image, h and w of the upscaled one.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.from_tensors import check_held
from sparsesr.lab.nn.layers.asymmetric import add_branches, branch_name
from sparsesr.lab.nn.layers.image_layers import MeanShift
from sparsesr.lab.nn.layers.shuffle_upsampler import ShuffleUpsampler
from sparsesr.lab.nn.network import Architecture, Networks, StateDict

SCALES = (2, 3, 4)


@dataclass(frozen=True)
class ACNetConfig:
    """Hyper-parameters; the defaults are the paper's. Several ``scales`` make the multi-scale ("blind") variant."""

    scales: tuple[int, ...] = (2,)
    channels: int = 64
    layers: int = 17
    """Asymmetric layers at LR resolution."""

    def __post_init__(self) -> None:
        if not self.scales or not set(self.scales) <= set(SCALES) or len(set(self.scales)) < len(self.scales):
            raise ValueError(f"scales must be some of 2, 3 and 4, not {self.scales}")
        if self.channels < 1 or self.layers < 2:
            raise ValueError(f"needs at least one channel and two layers: {self}")

    @property
    def scale(self) -> int:
        """The scale, or the first of several."""
        return self.scales[0]


class Upsamplers(nn.Module):
    """One upsampler per scale: ``up`` for a single scale, ``up2``, ``up3``... for several."""

    def __init__(self, channels: int, scales: tuple[int, ...]) -> None:
        super().__init__()
        self.is_single = len(scales) == 1
        for scale in scales:
            body = nn.Sequential(OrderedDict(body=ShuffleUpsampler(channels, scale)))
            self.add_module(self._name(scale), body)

    def _name(self, scale: int) -> str:
        return "up" if self.is_single else f"up{scale}"

    def forward(self, feat_BCHW: Tensor, scale: int) -> Tensor:
        """(B, C, H, W) -> (B, C, h, w)."""
        return getattr(self, self._name(scale))(feat_BCHW)


def _conv(channels_in: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels, 3, padding=1, bias=False))


class ACNet(nn.Module):
    """Input (B, 3, H, W) in 0..1, any size; output ``active_scale`` times larger.

    The paper states fewer parameters than the published code has; this network has those of the code.
    """

    def __init__(self, config: ACNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ACNetConfig()
        channels = config.channels
        self.scales = config.scales
        #: Upscaling factor of a call; callers set it to one of ``scales``.
        self.active_scale = config.scale
        self.sub_mean = nn.Sequential(OrderedDict(shifter=MeanShift(1.0, -1)))
        self.add_mean = nn.Sequential(OrderedDict(shifter=MeanShift(1.0, +1)))
        for layer in range(1, config.layers + 1):
            add_branches(self, f"conv{layer}", 3 if layer == 1 else channels, channels)
        self.upsample = Upsamplers(channels, config.scales)
        # Numbered as in a network with 17 asymmetric layers.
        self.conv18_1, self.conv18_2 = _conv(channels, channels), _conv(channels, channels)
        self.conv19_1, self.conv19_2 = _conv(channels, channels), _conv(channels, channels)
        self.conv20, self.conv21 = _conv(channels, channels), _conv(channels, channels)
        self.conv22 = _conv(channels, 3)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Upscale a batch; not clipped."""
        first_BCHW, memory_BCHW = self.trunk(self.sub_mean(image_B3HW))
        low_BChw = torch.relu(self.upsample(first_BCHW, self.active_scale))
        high_BChw = torch.relu(self.upsample(torch.relu(memory_BCHW), self.active_scale))
        return self.add_mean(self.refine(high_BChw, low_BChw))

    def trunk(self, x_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Asymmetric layers: the first layer's output, and the sum of all outputs (the memory enhancement block).

        The sum takes each layer *after* its ReLU, but the last one *before*: the authors' code applies the ReLU in
        place and adds the same tensors later, and its weights are trained for that.
        """
        layers = self.config.layers
        first_BCHW = last_BCHW = sum_BCHW = torch.relu(self.asymmetric(1, x_B3HW))
        for layer in range(2, layers):
            last_BCHW = torch.relu(self.asymmetric(layer, last_BCHW))
            sum_BCHW = sum_BCHW + last_BCHW
        return first_BCHW, sum_BCHW + self.asymmetric(layers, last_BCHW)

    def asymmetric(self, layer: int, feat_BCHW: Tensor) -> Tensor:
        """Sum of the 1x3, 3x1 and 3x3 convolutions of a layer, no activation."""
        across, down, square = (getattr(self, branch_name(f"conv{layer}", index)) for index in (1, 2, 3))
        return across(feat_BCHW) + down(feat_BCHW) + square(feat_BCHW)

    def refine(self, high_BChw: Tensor, low_BChw: Tensor) -> Tensor:
        """High-frequency feature enhancement: from both upscaled maps to the image without its mean colour."""
        high_BChw = torch.relu(self.conv18_1(high_BChw))
        low_BChw = torch.relu(self.conv18_2(low_BChw))
        feat_BChw = torch.relu(self.conv19_1(high_BChw) + self.conv19_2(low_BChw))
        feat_BChw = torch.relu(self.conv20(feat_BChw))
        return self.conv22(torch.relu(self.conv21(feat_BChw)))

    def parameter_counts(self) -> dict[str, int]:
        """Stored numbers: ``network`` weights and the constant ``mean_shift``."""
        counts = {"network": 0, "mean_shift": 0}
        for name, parameter in self.named_parameters():
            kind = "mean_shift" if name.split(".")[0] in ("sub_mean", "add_mean") else "network"
            counts[kind] += parameter.numel()
        return counts


def _from_tensors(tensors: StateDict) -> nn.Module:
    """Sizes from tensors: one scale has ``upsample.up``, several have ``upsample.up2`` and so on."""
    channels = tensors["conv1_3.0.weight"].shape[0]
    layers = sum(f"conv{layer}_3.0.weight" in tensors for layer in range(1, len(tensors) + 1))
    scales = tuple(scale for scale in SCALES if f"upsample.up{scale}.body.0.weight" in tensors)
    if not scales:
        steps = 2 if "upsample.up.body.2.weight" in tensors else 1
        scales = (math.isqrt(tensors["upsample.up.body.0.weight"].shape[0] // channels) ** steps,)
    with torch.device("meta"):
        module = ACNet(ACNetConfig(scales, channels, layers))
    check_held(sum(tensor.numel() for tensor in module.state_dict().values()), tensors)
    return module.to_empty(device="cpu")


ARCHITECTURE = Architecture(
    "acnet",
    frozenset({"sub_mean.shifter.bias", "conv1_1.0.weight", "conv1_3.0.weight", "conv22.0.weight"}),
    _from_tensors,
)


def _create(*scales: int) -> nn.Module:
    return ACNet(ACNetConfig(scales))


NETWORKS: Networks = {
    **{f"acnet_x{scale}": partial(_create, scale) for scale in SCALES},
    "acnet_multi": partial(_create, *SCALES),
    "acnet_noise_x2": partial(_create, 2),
}
