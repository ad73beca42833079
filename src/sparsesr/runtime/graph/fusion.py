"""Graph pass that fuses separate activation nodes into the convolutions before them.

In model files a convolution has at most one slope, so a PReLU with a slope per channel is a separate ``add`` of one
map. Kernels support slopes per channel; applying them in the convolution saves a map and a pass over it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sparsesr.modelfile.operations.attributes import ACTIVATION, SLOPE
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import Node


def with_fused_activations(typed: Sequence[TypedNode], output: str) -> tuple[TypedNode, ...]:
    """The network with activations fused into their convolutions; in fp32 no bit changes.

    A fused convolution keeps its name, takes the output of the ``add``, and may have ``slopes`` among its weights,
    which model files may not have. Convolutions are left alone if their result has other readers, or if they already
    have a residual or an activation.

    Args:
        typed: the network.
        output: name of the result tensor.
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
