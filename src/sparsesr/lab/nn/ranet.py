"""RANet: "Resolution Adaptive Networks for Efficient Inference" (Yang et al., CVPR 2020, arXiv 2003.07326).

A classifier with exits. Sub-networks work at rising resolutions and fuse the features of the one before; easy images
leave at an early exit. Parameter names equal those of the authors' code; where the paper and the code differ, this
follows the code. Shape suffixes: B batch, C channels, H and W rows and columns, E exits, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from sparsesr.lab.nn.exit_network import ExitNetwork, known_configuration
from sparsesr.lab.nn.layers.dense_fusion import DenseBlock, FusionBlock
from sparsesr.lab.nn.layers.exit_layers import CIFAR_CHANNELS, ExitClassifier, FirstLayer, initialise
from sparsesr.lab.nn.network import Architecture, Networks
from sparsesr.lab.nn.ranet_config import RANetConfig


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


class RANet(ExitNetwork[Progress]):
    """Images (B, 3, H, W) in 0..1 -> logits of all exits (E, B, K), the earliest first."""

    def __init__(self, config: RANetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or RANetConfig()
        scales, widths = config.scales[::-1], [config.channels * factor for factor in config.factors[::-1]]
        strides = [1 if later == earlier else 2 for earlier, later in pairwise(scales)]
        self.FirstLayer = FirstLayer(widths, strides, is_large=config.is_large)
        self.scale_flows = nn.ModuleList()
        self.classifier = nn.ModuleList()
        low: list[list[int]] = []
        for subnet in range(len(config.scales)):
            low = self._add_subnet(config, subnet, low)
        self._stages = config.stages()
        for part in (self.scale_flows, self.classifier):
            part.apply(initialise)  # as in the authors' code, which leaves the first layer as torch makes it

    def _add_subnet(self, config: RANetConfig, subnet: int, low: list[list[int]]) -> list[list[int]]:
        """Append a sub-network beside one with channels ``low``, by block; returns its own channels."""
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
                self.classifier.append(_classifier(block.channels_out, config))
            channels = block.channels_out
            own.append(block.channels)
            blocks.append(block)
        self.scale_flows.append(blocks)
        return own

    def start(self, image_B3HW: Tensor) -> Progress:
        """Base features of a batch."""
        base = self.FirstLayer(self._normalised(image_B3HW))
        return Progress(0, base, base[0], [], [])

    def advance(self, progress: Progress) -> tuple[Tensor, Progress]:
        """See :class:`ExitNetwork`."""
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


def _classifier(channels: int, config: RANetConfig) -> ExitClassifier:
    return ExitClassifier(channels, channels if config.is_large else CIFAR_CHANNELS, config.classes)


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


ARCHITECTURE = Architecture(
    "ranet",
    frozenset({"scale_flows.0.0.layers.0.conv_normal.net.0.weight", "classifier.0.linear.bias"}),
    partial(known_configuration, configs=CONFIGS, build=RANet),
)
NETWORKS: Networks = {name: partial(RANet, config) for name, config in CONFIGS.items()}
