"""Classifiers with several exits, which can be run one exit at a time.

Shape suffixes: B batch, N some of its images, H and W rows and columns, E exits, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.exit_config import ExitConfig
from sparsesr.lab.nn.network import StateDict


class Progress(Protocol):
    """What the coming exits need of a batch that has passed some."""

    def of(self, chosen_N: Tensor) -> Any:
        """The progress of some of the images, by their indices in the batch."""
        ...


ProgressT = TypeVar("ProgressT", bound=Progress)
ConfigT = TypeVar("ConfigT", bound=Any)


class ExitNetwork(nn.Module, Generic[ProgressT]):
    """Images (B, 3, H, W) in 0..1 -> logits of all exits (E, B, K), the earliest first.

    ``start`` and ``advance`` compute the same one exit at a time, so that images can leave in between.
    """

    is_classifier = True
    config: ExitConfig

    def for_classes(self, classes: int) -> ExitNetwork[ProgressT]:
        """This network if it has so many classes, else a fresh one that differs in nothing else."""
        if self.config.classes == classes:
            return self
        build = cast(Any, type(self))
        return build(replace(cast(Any, self.config), classes=classes))

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Classify a batch at all exits."""
        progress, logits = self.start(image_B3HW), []
        for _ in range(self.config.exits):
            logits_BK, progress = self.advance(progress)
            logits.append(logits_BK)
        return torch.stack(logits)

    def start(self, image_B3HW: Tensor) -> ProgressT:
        """Base features of a batch."""
        raise NotImplementedError

    def advance(self, progress: ProgressT) -> tuple[Tensor, ProgressT]:
        """Run to the next exit: its logits (B, K), and the progress there. The old progress must not be used again.

        Raises:
            IndexError: the last exit is passed.
        """
        raise NotImplementedError

    def _normalised(self, image_B3HW: Tensor) -> Tensor:
        mean, std = (image_B3HW.new_tensor(v).reshape(3, 1, 1) for v in (self.config.mean, self.config.std))
        return (image_B3HW - mean) / std


AnyExitNetwork = ExitNetwork[Any]


def known_configuration(
    tensors: StateDict, configs: Mapping[str, ConfigT], build: Callable[[ConfigT], nn.Module]
) -> nn.Module:
    """The network of one of ``configs``, with as many classes as ``tensors``, whose tensors have these shapes.

    Raises:
        KeyError: there is no first classifier.
        ValueError: no configuration has these shapes.
    """
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    classes = tensors["classifier.0.linear.bias"].shape[0]
    for known in configs.values():
        config = replace(known, classes=classes)
        with torch.device("meta"):
            expected = build(config).state_dict()
        if shapes == {name: tensor.shape for name, tensor in expected.items()}:
            return build(config)
    raise ValueError(f"its sizes are none of {', '.join(configs)}")
