"""Finds balanced weights in a lowered graph, and declares them, so that the file and the kernels skip the zeros.

A checkpoint needs no record of its pattern: the zeros are the record. Weights are examined in the layout that the
runtime multiplies, after all folding and reordering, so a declaration can only be true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sparsesr.modelfile.balanced import Pattern, detect
from sparsesr.modelfile.operations.attributes import BALANCED
from sparsesr.modelfile.operations.registry import feature_inputs, operation_of
from sparsesr.modelfile.spec import Graph, Node
from sparsesr.modelfile.validation import typed_nodes

BLOCKS = (16, 8, 32, 4, 64)
"""Block lengths that are looked for; of patterns with equal density the first wins, as kernels have it."""
MOST_KEPT = 0.5
"""Above this density, positions take more than the zeros save."""


def declare_balanced(graph: Graph, tensors: Mapping[str, Any]) -> Graph:
    """The graph with the attribute ``balanced`` on all convolutions at least half of whose weights a pattern drops."""
    channels = _feature_channels(graph, tensors)
    users = [name for node in graph.nodes for name in node.weights.values()]

    def declared(node: Node) -> Node:
        if BALANCED not in operation_of(node).attrs or users.count(node.weights["weight"]) > 1:
            return node
        pattern = _sparsest(tensors[node.weights["weight"]], channels[node.output])
        if pattern is None:
            return node
        return replace(node, attrs={**node.attrs, BALANCED.name: [pattern.keep, pattern.block]})

    return replace(graph, nodes=tuple(map(declared, graph.nodes)))


def _feature_channels(graph: Graph, tensors: Mapping[str, Any]) -> dict[str, list[int]]:
    """Channels of the inputs that each node convolves; a block lies inside one of them."""
    typed = typed_nodes(graph, tensors)
    types = {entry.node.output: entry.output for entry in typed}
    return {node.output: [types[name].channels for name in feature_inputs(node)] for node in graph.nodes}


def _sparsest(weight: Any, channels: list[int]) -> Pattern | None:
    """The pattern that keeps least; None if none keeps at most half, or the layer is all zero (an untrained one)."""
    blocks = [block for block in BLOCKS if all(count % block == 0 for count in channels)]
    if not blocks or not np.any(weight):
        return None
    pattern = min(
        (Pattern(detect(weight, block), block) for block in blocks), key=lambda found: found.density
    )
    return pattern if pattern.density <= MOST_KEPT else None
