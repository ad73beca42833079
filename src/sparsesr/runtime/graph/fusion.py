"""Lets convolutions compute the activations that follow them as nodes of their own.

In model files a convolution knows one slope at most, so a PReLU with a slope per channel is an ``add`` of one map
after it. Kernels know both; a convolution that applies the slopes itself saves a pass over the map, and the map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sparsesr.modelfile.operations.attributes import ACTIVATION, SLOPE
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import Node


def with_fused_activations(typed: Sequence[TypedNode], output: str) -> tuple[TypedNode, ...]:
    """The same network with such activations folded into their convolutions; in fp32 no bit changes.

    A convolution that takes slopes over has the role ``slopes`` among its weights, which no model file may have, and
    keeps its name; its output is that of the ``add``. Convolutions whose result is read by others too, or is added to
    or activated already, stay as they are.

    Args:
        typed: the network.
        output: the tensor that is the result.
    """
    readers = Counter(name for entry in typed for name in entry.node.inputs)
    activations = {e.node.inputs[0]: e.node for e in typed if operation_of(e.node).is_activation(e.node)}
    fused = {
        entry.node.output: activations[entry.node.output]
        for entry in typed
        if entry.node.output in activations
        and entry.node.output != output
        and readers[entry.node.output] == 1
        and operation_of(entry.node).absorbs_activation(entry.node)
    }
    gone = {activation.output for activation in fused.values()}
    return tuple(
        _activated(entry, fused[entry.node.output]) if entry.node.output in fused else entry
        for entry in typed
        if entry.node.output not in gone
    )


def _activated(entry: TypedNode, activation: Node) -> TypedNode:
    node = entry.node
    attrs = {**node.attrs, "activation": ACTIVATION.of(activation), "slope": SLOPE.of(activation)}
    weights = {**node.weights, **activation.weights}
    activated = Node(node.op, node.inputs, activation.output, attrs, weights, node.name)
    return TypedNode(activated, entry.inputs, entry.output, entry.sizes)
