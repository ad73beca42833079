"""Leanest dense form of a network: the input of dense runtimes, and the baseline for skipping.

All pixels are computed in full, without masks and mask heads. Chains of accumulating 1x1 convolutions, which suit the
native runtime, become one convolution of the concatenation.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from sparsesr.modelfile.operations.attributes import (
    ACCUMULATE,
    ACTIVATION,
    BALANCED,
    INT8_SCALES,
    RESIDUAL,
)
from sparsesr.modelfile.operations.registry import feature_inputs
from sparsesr.modelfile.spec import Graph, ModelFile, Node, Tensor
from sparsesr.modelfile.validation import typed_nodes
from sparsesr.runtime.graph.unmasked import without_masks


def dense_model(model: ModelFile) -> ModelFile:
    """Return the model with every pixel active: the same function as ``Session.run(dense=True)``.

    Raises:
        ModelError: the graph is not valid.
    """
    typed = without_masks(typed_nodes(model.graph, model.tensors), model.graph.output)
    nodes, tensors = _merge_chains([entry.node for entry in typed], dict(model.tensors))
    used = {name for node in nodes for name in node.weights.values()}
    graph = Graph(model.graph.input, model.graph.output, tuple(nodes))
    return replace(model, graph=graph, tensors={name: tensors[name] for name in sorted(used)})


def _merge_chains(nodes: list[Node], tensors: dict[str, Tensor]) -> tuple[list[Node], dict[str, Tensor]]:
    readers = Counter(name for node in nodes for name in node.inputs)
    merged: dict[str, Node] = {}
    for node in nodes:
        addend = merged.get(node.inputs[-1]) if ACCUMULATE.of(node) else None
        if addend is not None and readers[addend.output] == 1 and _is_plain_link(addend, node):
            del merged[addend.output]
            node = _joined(addend, node, tensors)
        merged[node.output] = node
    return list(merged.values()), tensors


def _is_plain_link(first: Node, then: Node) -> bool:
    """Return True if the result of ``first`` is a plain sum, to which ``then`` can be joined."""
    return (
        (first.op, first.attrs.get("kernel")) == (then.op, then.attrs.get("kernel"))
        and ACTIVATION.of(first) == "none"
        and not RESIDUAL.of(first)
        and not ACCUMULATE.of(first)
    )


def _joined(first: Node, then: Node, tensors: dict[str, Tensor]) -> Node:
    """Join two convolutions into one of their concatenated inputs."""
    weights = {"weight": f"{then.output}.joined_weight"}
    parts = [tensors[first.weights["weight"]], tensors[then.weights["weight"]]]
    tensors[weights["weight"]] = np.concatenate(parts, axis=1)
    biases = [tensors[node.weights["bias"]] for node in (first, then) if "bias" in node.weights]
    if biases:
        weights["bias"] = f"{then.output}.joined_bias"
        tensors[weights["bias"]] = biases[0] if len(biases) == 1 else biases[0] + biases[1]
    left_out = (ACCUMULATE.name, BALANCED.name, INT8_SCALES.name)
    attrs = {key: value for key, value in then.attrs.items() if key not in left_out}
    inputs = feature_inputs(first) + feature_inputs(then)
    return replace(then, inputs=inputs, attrs=attrs, weights=weights)
