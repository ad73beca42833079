"""Chains of accumulating convolutions, joined into one convolution of the concatenated inputs.

A chain adds each input to a sum as soon as it is known, so only the sum is kept: right where maps take as much memory
as the sum. Quantised maps take a quarter of it, and one convolution reads them once, instead of reading and writing the
sum for each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sparsesr.modelfile.operations.attributes import (
    ACCUMULATE,
    ACTIVATION,
    BALANCED,
    INT8_SCALES,
    KERNEL,
    RESIDUAL,
)
from sparsesr.modelfile.operations.registry import feature_inputs
from sparsesr.modelfile.operations.shared_rules import MAX_CONCAT, MAX_INT8_TERMS
from sparsesr.modelfile.spec import ModelFile, Node, Tensor


def with_joined_int8_sums(model: ModelFile) -> ModelFile:
    """The model with the chains joined that multiply quantised maps; the same sums, rounded less often."""
    chains = [node for node in model.graph.nodes if INT8_SCALES.of(node)]
    nodes, tensors = join_sums(model.graph.nodes, model.tensors, {node.output for node in chains})
    return replace(model, graph=replace(model.graph, nodes=nodes), tensors=tensors)


def join_sums(
    nodes: Sequence[Node], tensors: Mapping[str, Tensor], among: set[str] | None = None
) -> tuple[tuple[Node, ...], dict[str, Tensor]]:
    """Join chains of convolutions.

    Args:
        nodes: the network.
        tensors: its weights.
        among: outputs of the convolutions that may be joined; None: all.

    Returns:
        The network, and its weights with those of the joined convolutions, named after their last link.
    """
    readers = Counter(name for node in nodes for name in node.inputs)
    joined, weights = dict[str, Node](), dict(tensors)
    for node in nodes:
        addend = joined.get(node.inputs[-1]) if ACCUMULATE.of(node) else None
        if (
            addend is not None
            and readers[addend.output] == 1
            and _is_plain_link(addend, node)
            and _can_convolve_all(addend, node, weights)
            and (among is None or among >= {addend.output, node.output})
        ):
            del joined[addend.output]
            node = _joined(addend, node, weights)
        joined[node.output] = node
    return tuple(joined.values()), weights


def _is_plain_link(first: Node, then: Node) -> bool:
    """Whether the result of ``first`` is a plain sum, to which ``then`` can be joined."""
    return (
        (first.op, KERNEL.of(first), BALANCED.of(first)) == (then.op, KERNEL.of(then), BALANCED.of(then))
        and ACTIVATION.of(first) == "none"
        and not RESIDUAL.of(first)
        and not ACCUMULATE.of(first)
    )


def _can_convolve_all(first: Node, then: Node, tensors: Mapping[str, Tensor]) -> bool:
    """Whether kernels can read so many maps at once, and add so many products in int8."""
    terms = sum(tensors[node.weights["weight"]][0].size for node in (first, then))
    return len(feature_inputs(first) + feature_inputs(then)) <= MAX_CONCAT and terms <= MAX_INT8_TERMS


def _joined(first: Node, then: Node, tensors: dict[str, Tensor]) -> Node:
    """Join two convolutions into one of their concatenated inputs."""
    weights = {"weight": f"{then.output}.joined_weight"}
    parts = [tensors[first.weights["weight"]], tensors[then.weights["weight"]]]
    tensors[weights["weight"]] = np.concatenate(parts, axis=1)
    biases = [tensors[node.weights["bias"]] for node in (first, then) if "bias" in node.weights]
    if biases:
        weights["bias"] = f"{then.output}.joined_bias"
        tensors[weights["bias"]] = biases[0] if len(biases) == 1 else biases[0] + biases[1]
    attrs = {
        key: value for key, value in then.attrs.items() if key not in (ACCUMULATE.name, INT8_SCALES.name)
    }
    if INT8_SCALES.of(first) and INT8_SCALES.of(then):
        attrs[INT8_SCALES.name] = [*INT8_SCALES.of(first), *INT8_SCALES.of(then)]
    inputs = feature_inputs(first) + feature_inputs(then)
    return replace(then, inputs=inputs, attrs=attrs, weights=weights)
