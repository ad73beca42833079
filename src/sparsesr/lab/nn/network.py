"""What a network may say of itself beyond ``forward``; see also :mod:`sparsesr.lab.nn.masked_network`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

StateDict = Mapping[str, Tensor]
Networks = dict[str, Callable[[], nn.Module]]
"""Names of the registry, and what builds the network of each with fresh weights."""


@dataclass(frozen=True)
class Architecture:
    """How checkpoints of a network are recognised and loaded."""

    name: str
    signature: frozenset[str]
    """Names that its state dicts have, and no other network's has all of them."""
    build: Callable[[StateDict], nn.Module]
    """The module with the sizes that the tensors show; IndexError, KeyError or ValueError if they make no sense."""


@runtime_checkable
class AdaptsWeights(Protocol):
    """A network that can start from the weights of a relative."""

    def adapted(self, weights: StateDict) -> StateDict:
        """Weights for this network from those of a relative; unchanged if they are none."""
        ...
