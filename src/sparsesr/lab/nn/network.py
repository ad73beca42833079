"""Optional interfaces of networks beyond ``forward``; see also :mod:`sparsesr.lab.nn.masked_network`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

StateDict = Mapping[str, Tensor]
Networks = dict[str, Callable[[], nn.Module]]
"""Functions that build networks with fresh weights, by registry name."""


@dataclass(frozen=True)
class Architecture:
    """Detection and loading of a network's checkpoints."""

    name: str
    signature: frozenset[str]
    """Tensor names in each of its state dicts; no other network's state dict has all of them."""
    build: Callable[[StateDict], nn.Module]
    """Builds the module with the sizes of the tensors; IndexError, KeyError or ValueError if they are inconsistent."""


def size_multiple(network: nn.Module) -> int:
    """Multiple that image sizes must have: a network's attribute of this name, else 1."""
    return int(getattr(network, "size_multiple", 1))


def scales_of(network: nn.Module) -> tuple[int, ...]:
    """Scales that a network says it enlarges by: its ``scales``, or the ``scale`` of its ``config``; else none."""
    one = getattr(getattr(network, "config", None), "scale", None)
    return tuple(getattr(network, "scales", () if one is None else (one,)))


def is_classifier(network: nn.Module) -> bool:
    """True for a network that gives logits instead of an image: it has an attribute of this name."""
    return bool(getattr(network, "is_classifier", False))


@runtime_checkable
class AdaptsWeights(Protocol):
    """A network that can start from the weights of a related network."""

    def adapted(self, weights: StateDict) -> StateDict:
        """Weights for this network from those of a related one; unchanged if they are not related."""
        ...
