"""What a layer with a special inference form sees when it lowers itself to nodes of a model file.

The layers know no model file: an object with these two methods, made by the exporter, stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn


class Lowering(Protocol):
    """Collects the nodes of one network, in execution order. Tensors of the graph are known by their names."""

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        weights: Mapping[str, Tensor | None] | None = None,
        **attrs: Any,
    ) -> str:
        """Append a node and return ``output``; weights that are None are left out."""
        ...

    def add_conv(self, conv: nn.Conv2d, inputs: Sequence[str], output: str, **attrs: Any) -> str:
        """Append an ordinary convolution of one map, checked for what the runtime can do."""
        ...
