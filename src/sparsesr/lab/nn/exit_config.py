"""What the configurations of networks with several exits have in common."""

from __future__ import annotations

from typing import Protocol

CIFAR10_MEAN_RGB = (0.4914, 0.4824, 0.4467)
CIFAR10_STD_RGB = (0.2471, 0.2435, 0.2616)


class ExitConfig(Protocol):
    """What users of a network with exits may ask for."""

    @property
    def exits(self) -> int:
        """Number of classifiers."""
        ...

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...

    @property
    def image_px(self) -> int:
        """Side of the images."""
        ...

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of training images in 0..1; the network normalises by it."""
        ...

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of training images in 0..1."""
        ...
