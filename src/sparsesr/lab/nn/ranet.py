"""RANet: "Resolution Adaptive Networks for Efficient Inference" (Yang et al., CVPR 2020, arXiv 2003.07326).

A classifier with exits. Sub-networks work at rising resolutions and fuse the features of the one before; easy images
leave at an early exit. Parameter names equal those of the authors' code; where the paper and the code differ, this
follows the code. Shape suffixes: B batch, C channels, H and W rows and columns, E exits, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.dense_fusion import ConvUnit, DenseBlock, FusionBlock
from sparsesr.lab.nn.network import Architecture, Networks, StateDict
from sparsesr.lab.nn.ranet_config import RANetConfig

_CIFAR_CHANNELS = 128
"""Width of the classifiers' convolutions; for ImageNet it is that of their input."""


class FirstLayer(nn.Module):
    """Base features of all sub-networks, made from the highest resolution down."""

    def __init__(self, config: RANetConfig) -> None:
        super().__init__()
        widths = [config.channels * factor for factor in reversed(config.factors)]
        scales = config.scales[::-1]
        self.layers = nn.ModuleList([_stem(widths[0]) if config.is_large else ConvUnit(3, widths[0])])
        for index in range(1, len(scales)):
            stride = 1 if scales[index] == scales[index - 1] else 2
            self.layers.append(ConvUnit(widths[index - 1], widths[index], 3, stride))

    def forward(self, image_B3HW: Tensor) -> list[Tensor]:
        """Features by sub-network, the lowest resolution first."""
        features = [image_B3HW]
        for layer in self.layers:
            features.append(layer(features[-1]))
        return features[:0:-1]


def _stem(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, channels, 7, 2, 3),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    )


class ExitClassifier(nn.Module):
    """(B, C, H, W) -> logits (B, K); H and W are 8 (CIFAR) or 7 (ImageNet)."""

    def __init__(self, channels: int, config: RANetConfig) -> None:
        super().__init__()
        inner = channels if config.is_large else _CIFAR_CHANNELS
        self.m = nn.Sequential(ConvUnit(channels, inner, 3, 2), ConvUnit(inner, inner, 3, 2), nn.AvgPool2d(2))
        self.linear = nn.Linear(inner, config.classes)

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """Classify a batch."""
        return self.linear(self.m(feat_BCHW).flatten(1))


@dataclass
class Progress:
    """What the coming exits need of a batch that has passed some."""

    stage: int
    """Exits passed."""
    base: list[Tensor]
    """Base features of the sub-networks to come."""
    features: Tensor
    low: list[list[Tensor]]
    """Features of the sub-network before, by block: those that are still to be fused."""
    own: list[list[Tensor]]
    """Features of this sub-network, by block."""

    def of(self, chosen_N: Tensor) -> Progress:
        """The progress of some of the images, by their indices in the batch."""

        def chosen(features: list[Tensor]) -> list[Tensor]:
            return [feat_BCHW.index_select(0, chosen_N) for feat_BCHW in features]

        return Progress(
            self.stage,
            chosen(self.base),
            self.features.index_select(0, chosen_N),
            [chosen(features) for features in self.low],
            [chosen(features) for features in self.own],
        )


class RANet(nn.Module):
    """Images (B, 3, H, W) in 0..1 -> logits of all exits (E, B, K), the earliest first.

    ``start`` and ``advance`` compute the same one exit at a time, so that images can leave in between.
    """

    is_classifier = True

    def __init__(self, config: RANetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or RANetConfig()
        self.FirstLayer = FirstLayer(config)
        self.scale_flows = nn.ModuleList()
        self.classifier = nn.ModuleList()
        low: list[list[int]] = []
        for subnet in range(len(config.scales)):
            low = self._add_subnet(subnet, low)
        self._stages = config.stages()
        for part in (self.scale_flows, self.classifier):
            part.apply(_initialise)

    def _add_subnet(self, subnet: int, low: list[list[int]]) -> list[list[int]]:
        """Append a sub-network beside one with channels ``low``, by block; returns its own channels."""
        config = self.config
        growth, width = config.growth * config.factors[subnet], config.bottlenecks[subnet]
        channels = config.channels * config.factors[subnet]
        blocks, own = nn.ModuleList(), []
        for plan in config.plan(subnet):
            if plan.is_fusion:
                block: DenseBlock | FusionBlock = FusionBlock(
                    channels, low[plan.index], growth, (width, config.bottlenecks[subnet - 1]),
                    is_down=plan.is_down, has_transition=plan.has_transition,
                )  # fmt: skip
            else:
                block = DenseBlock(channels, plan.layers, growth, width, plan.has_transition)
                self.classifier.append(ExitClassifier(block.channels_out, config))
            channels = block.channels_out
            own.append(block.channels)
            blocks.append(block)
        self.scale_flows.append(blocks)
        return own

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Classify a batch at all exits."""
        progress, logits = self.start(image_B3HW), []
        for _ in self._stages:
            logits_BK, progress = self.advance(progress)
            logits.append(logits_BK)
        return torch.stack(logits)

    def start(self, image_B3HW: Tensor) -> Progress:
        """Base features of a batch."""
        mean, std = (image_B3HW.new_tensor(v).reshape(3, 1, 1) for v in (self.config.mean, self.config.std))
        base = self.FirstLayer((image_B3HW - mean) / std)
        return Progress(0, base, base[0], [], [])

    def advance(self, progress: Progress) -> tuple[Tensor, Progress]:
        """Run to the next exit: its logits (B, K), and the progress there. The old progress must not be used again.

        Raises:
            IndexError: the last exit is passed.
        """
        subnet, blocks = self._stages[progress.stage]
        base, feat_BCHW, low, own = progress.base, progress.features, progress.low, progress.own
        if blocks.start == 0:
            base, feat_BCHW, low, own = base[1:], base[0], own, []
        flow = cast(nn.ModuleList, self.scale_flows[subnet])
        for block in blocks:
            beside = low[0] if low else None
            feat_BCHW, features = flow[block](feat_BCHW, beside)
            low, own = low[1:], [*own, features] if base else own
        logits_BK = self.classifier[progress.stage](feat_BCHW)
        return logits_BK, Progress(progress.stage + 1, base, feat_BCHW, low, own)


def _initialise(module: nn.Module) -> None:
    """Initial weights of the authors' code, which leaves the first layer as torch makes it."""
    if isinstance(module, nn.Conv2d):
        spread = math.sqrt(2 / (module.kernel_size[0] * module.kernel_size[1] * module.out_channels))
        nn.init.normal_(module.weight, 0, spread)
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


_LARGE = RANetConfig(
    64, 16, (4, 2, 2, 1), (4, 2, 2, 1), (1, 2, 3, 4), step=8, classes=1000, image_px=224,
    mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
)  # fmt: skip
_LONG = RANetConfig(factors=(4, 2, 1, 1), bottlenecks=(4, 2, 1, 1), scales=(1, 2, 3, 3))
_WIDE = RANetConfig(factors=(4, 2, 2, 1), bottlenecks=(4, 2, 2, 1), scales=(1, 2, 2, 3))

CONFIGS: dict[str, RANetConfig] = {
    "ranet_cifar_anytime": _LONG,
    "ranet_cifar_batch1": RANetConfig(step=2, step_mode="lg"),
    "ranet_cifar_batch2": replace(_WIDE, step=2, step_mode="lg"),
    "ranet_cifar_batch3": replace(_LONG, step=2, step_mode="lg"),
    "ranet_cifar_default": RANetConfig(),
    "ranet_tiny": RANetConfig(step=2),
    "ranet_imagenet": _LARGE,
    "ranet_imagenet_batch1": replace(_LARGE, channels=32),
    "ranet_imagenet_script": replace(_LARGE, channels=16, factors=(4, 2, 1, 1), bottlenecks=(4, 2, 1, 1)),
}
"""The configurations of the authors' scripts, and ``ranet_tiny`` for tests. CIFAR-100 has ``classes=100``."""


def _from_tensors(tensors: StateDict) -> nn.Module:
    """The published configuration with these shapes."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    classes = tensors["classifier.0.linear.bias"].shape[0]
    for known in CONFIGS.values():
        config = replace(known, classes=classes)
        with torch.device("meta"):
            expected = RANet(config).state_dict()
        if shapes == {name: tensor.shape for name, tensor in expected.items()}:
            return RANet(config)
    raise ValueError(f"its sizes are none of {', '.join(CONFIGS)}")


ARCHITECTURE = Architecture(
    "ranet",
    frozenset({"scale_flows.0.0.layers.0.conv_normal.net.0.weight", "classifier.0.linear.bias"}),
    _from_tensors,
)


def _create(name: str) -> nn.Module:
    return RANet(CONFIGS[name])


NETWORKS: Networks = {name: partial(_create, name) for name in CONFIGS}
