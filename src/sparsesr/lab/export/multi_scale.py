"""Merging of several scales of a network into one graph, which stores equal nodes and tensors once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sparsesr.modelfile.spec import Graph, Node

Tensors = dict[str, Any]
"""float32 arrays by name."""


def merge_scales(graphs: Mapping[int, tuple[Graph, Tensors]]) -> tuple[int, Graph, Tensors]:
    """Merge graphs into one with an output per scale.

    Args:
        graphs: graph and tensors by scale; the first is the model's default scale.

    Returns:
        Default scale, merged graph, and all tensors.
    """
    (own, (first, tensors)), *others = graphs.items()
    nodes, stored, more_outputs = list(first.nodes), dict(tensors), dict[int, str]()
    for scale, (graph, added) in others:
        names = _merge_tensors(stored, added, scale)
        more_outputs[scale] = _merge_nodes(nodes, graph, names, scale)
    return own, Graph(first.input, first.output, tuple(nodes), more_outputs), stored


def _merge_tensors(stored: Tensors, added: Tensors, scale: int) -> dict[str, str]:
    """Store the tensors that are new; returns the stored names of all."""
    names: dict[str, str] = {}
    for name, tensor in added.items():
        is_other = name in stored and not np.array_equal(stored[name], tensor)
        names[name] = f"x{scale}.{name}" if is_other else name
        stored[names[name]] = tensor
    return names


def _merge_nodes(nodes: list[Node], graph: Graph, tensors: Mapping[str, str], scale: int) -> str:
    """Append the nodes that are new; returns the name of the graph's output."""
    known = {node.output: node for node in nodes}
    names: dict[str, str] = {}
    for node in graph.nodes:
        same = replace(
            node,
            inputs=tuple(names[name] for name in node.inputs),
            weights={role: tensors[name] for role, name in node.weights.items()},
        )
        names[node.output] = node.output
        if known.get(node.output) == same:
            continue
        if node.output in known:
            names[node.output] = f"x{scale}.{node.output}"
            same = replace(same, output=names[node.output], name=f"x{scale}.{node.name}")
        nodes.append(same)
    return names[graph.output]
