"""MSDNet: "Multi-Scale Dense Networks for Resource Efficient Image Classification" (Huang et al., ICLR 2018).

The network that RANet is compared with, in its form for CIFAR: all scales advance together, and classifiers read the
lowest resolution. It is built as in the PyTorch code that its authors refer to: every layer computes all of its scales,
also those that the next exit does not read. Shape suffixes: B batch, N some of its images, C channels, H and W rows and
columns, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast

from torch import Tensor, nn

from sparsesr.lab.nn.exit_network import ExitNetwork, known_configuration
from sparsesr.lab.nn.layers.exit_layers import CIFAR_CHANNELS, ExitClassifier, FirstLayer, initialise
from sparsesr.lab.nn.layers.multi_scale import MultiScaleLayer, ScaleTransition
from sparsesr.lab.nn.msdnet_config import LayerPlan, MSDNetConfig
from sparsesr.lab.nn.network import Architecture, Networks


@dataclass
class ScaleProgress:
    """What the coming exits need of a batch that has passed some."""

    stage: int
    """Exits passed."""
    features: list[Tensor]
    """By scale, the lowest resolution first."""

    def of(self, chosen_N: Tensor) -> ScaleProgress:
        """The progress of some of the images, by their indices in the batch."""
        return ScaleProgress(self.stage, [feat_BCHW.index_select(0, chosen_N) for feat_BCHW in self.features])


class MSDNet(ExitNetwork[ScaleProgress]):
    """Images (B, 3, H, W) in 0..1 -> logits of all exits (E, B, K), the earliest first."""

    def __init__(self, config: MSDNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MSDNetConfig()
        widths = _by_scale(config, config.channels)[::-1]
        self.first_layer = FirstLayer(widths, [2] * (len(widths) - 1))
        self.blocks, self.classifier = nn.ModuleList(), nn.ModuleList()
        for plans in config.plan():
            layers = [layer for plan in plans for layer in _layers(config, plan)]
            self.blocks.append(nn.Sequential(*layers))
            last = plans[-1]
            channels = last.channels // 2 if last.has_transition else last.channels
            lowest = _by_scale(config, channels)[0]
            self.classifier.append(ExitClassifier(lowest, CIFAR_CHANNELS, config.classes))
        self.apply(initialise)

    def start(self, image_B3HW: Tensor) -> ScaleProgress:
        """Base features of a batch."""
        return ScaleProgress(0, self.first_layer(self._normalised(image_B3HW)))

    def advance(self, progress: ScaleProgress) -> tuple[Tensor, ScaleProgress]:
        """See :class:`ExitNetwork`."""
        features = cast(nn.Sequential, self.blocks[progress.stage])(progress.features)
        return self.classifier[progress.stage](features[0]), ScaleProgress(progress.stage + 1, features)


def _by_scale(config: MSDNetConfig, channels: int) -> list[int]:
    return [channels * factor for factor in config.factors]


def _layers(config: MSDNetConfig, plan: LayerPlan) -> list[nn.Module]:
    """A layer, and its transition if it has one."""
    channels_in = _by_scale(config, plan.channels_in)[: plan.scales_in]
    growths = _by_scale(config, config.growth)
    layers: list[nn.Module] = [MultiScaleLayer(channels_in, growths, config.bottlenecks, plan.scales)]
    if plan.has_transition:
        before, after = (
            _by_scale(config, channels)[: plan.scales] for channels in (plan.channels, plan.channels // 2)
        )
        layers.append(ScaleTransition(before, after))
    return layers


CONFIGS: dict[str, MSDNetConfig] = {
    "msdnet_cifar_anytime": MSDNetConfig(),
    "msdnet_tiny": MSDNetConfig(blocks=4, base=2),
}
"""The configuration that RANet's paper compares with in its anytime figures, and one as small as ``ranet_tiny``."""


ARCHITECTURE = Architecture(
    "msdnet",
    frozenset({"first_layer.layers.0.net.0.weight", "classifier.0.linear.bias"}),
    partial(known_configuration, configs=CONFIGS, build=MSDNet),
)
NETWORKS: Networks = {name: partial(MSDNet, config) for name, config in CONFIGS.items()}
