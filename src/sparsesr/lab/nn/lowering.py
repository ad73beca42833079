"""Protocol through which a layer with a special inference form lowers itself to nodes of a model file.

Layers do not depend on model files; the exporter passes an object with these two methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn


class Lowering(Protocol):
    """Collects the nodes of a network in execution order. Graph tensors are referred to by name."""

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        weights: Mapping[str, Tensor | None] | None = None,
        **attrs: Any,
    ) -> str:
        """Append a node and return ``output``; weights that are None are omitted."""
        ...

    def add_conv(self, conv: nn.Conv2d, inputs: Sequence[str], output: str, **attrs: Any) -> str:
        """Append an ordinary convolution; raises an error if the runtime does not support it."""
        ...
