"""Graph pass for int8: convolutions for which the model file gives scales read quantised maps.

A map that such a convolution writes, and only such convolutions multiply, is stored quantised. Of any other map, such
as a residual trunk, they read a quantised copy, made row by row; the map itself stays as exact as before. So do sums:
kernels add whole numbers exactly, and turn them into fp32 before anything else is added to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sparsesr.modelfile.operations.attributes import ACTIVATION, INT8_SCALES, RESIDUAL
from sparsesr.modelfile.operations.conv2d import has_addend
from sparsesr.modelfile.operations.quantise import QUANTISE
from sparsesr.modelfile.operations.registry import feature_inputs, operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import Node
from sparsesr.runtime.graph.number_types import MapTypes, quantised

_MIDDLE = 128
"""What stands for zero in maps that may be negative."""
LARGEST_UNSIGNED, LARGEST_SIGNED = 255, 127
"""Largest magnitude, in steps, of a map without negative values, and of others."""
_COPY = "~u8"
"""Ending of a copy's name, which names in model files cannot have."""


def with_quantised_maps(typed: Sequence[TypedNode], output: str) -> tuple[tuple[TypedNode, ...], MapTypes]:
    """The network with quantised copies of maps where needed, and the types of its quantised maps.

    Args:
        typed: the network, after fusion.
        output: name of the result tensor.
    """
    scales = dict(_scales(typed))
    stored = {e.node.output for e in typed if e.node.output in scales and _is_stored(e, typed, output)}
    nodes = tuple(_nodes(typed, scales, stored))
    writers = {entry.node.output: entry.node for entry in typed}
    return nodes, {
        name if name in stored else name + _COPY: quantised(
            scale, 0 if is_positive(writers[name]) else _MIDDLE
        )
        for name, scale in scales.items()
    }


def reads_quantised(node: Node) -> bool:
    """Whether a node multiplies quantised maps in int8."""
    return bool(INT8_SCALES.of(node))


def _scales(typed: Sequence[TypedNode]) -> Iterator[tuple[str, float]]:
    for entry in typed:
        if reads_quantised(entry.node):
            yield from zip(feature_inputs(entry.node), INT8_SCALES.of(entry.node), strict=True)


def _is_stored(writer: TypedNode, typed: Sequence[TypedNode], output: str) -> bool:
    """Whether the map itself can be quantised: its writer has a kernel for that, and only int8 layers read it."""
    name, node = writer.node.output, writer.node
    if name == output or has_addend(node) or not reads_quantised(node):
        return False
    readers = [entry.node for entry in typed if name in entry.node.inputs]
    return all(
        reads_quantised(reader) and feature_inputs(reader).count(name) == reader.inputs.count(name)
        for reader in readers
    )


def is_positive(writer: Node) -> bool:
    """Whether a node's results are never negative, so that all values of 8 bits are above zero."""
    return ACTIVATION.of(writer) == "relu" and not RESIDUAL.of(writer)


def _nodes(typed: Sequence[TypedNode], scales: Mapping[str, float], stored: set[str]) -> Iterator[TypedNode]:
    """The nodes, each followed by the copy of its output if there is one."""
    for entry in typed:
        yield _reading_copies(entry, stored) if reads_quantised(entry.node) else entry
        name = entry.node.output
        if name in scales and name not in stored:
            copy = Node(QUANTISE.name, (name,), name + _COPY, name=f"{entry.node.name} in int8")
            yield TypedNode(copy, (entry.output,), entry.output, {})


def _reading_copies(entry: TypedNode, stored: set[str]) -> TypedNode:
    """The node with copies in place of the features that are not stored quantised; an addend stays the same."""
    node, features = entry.node, feature_inputs(entry.node)
    first = int(operation_of(node).mask_of(node) is not None)
    copies = tuple(name if name in stored else name + _COPY for name in features)
    inputs = (*node.inputs[:first], *copies, *node.inputs[first + len(features) :])
    return replace(entry, node=replace(node, inputs=inputs))
