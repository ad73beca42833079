"""Graph pass for maps that are constant at inactive pixels: their readers know the constants, so that such pixels are
neither written nor read.

In SMSR, the map that ends a module is its bias wherever the module computes nothing. The mean over it and the scaled
sum with the trunk then read a few active pixels instead of a whole map. No bit changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sparsesr.modelfile.operations.attributes import OUTSIDE_UNWRITTEN
from sparsesr.modelfile.operations.registry import mask_of, operation_of
from sparsesr.modelfile.operations.value_types import TypedNode


def with_known_outside(typed: Sequence[TypedNode], output: str) -> tuple[TypedNode, ...]:
    """The network with such readers. The nodes that write for them have the attribute ``outside_unwritten``.

    Args:
        typed: the masked network.
        output: name of the result tensor.
    """
    writers = {entry.node.output: entry for entry in typed if _is_known(entry, typed, output)}
    return tuple(
        _unwritten(entry) if entry.node.output in writers else _reading(entry, writers) for entry in typed
    )


def _is_known(entry: TypedNode, typed: Sequence[TypedNode], output: str) -> bool:
    masking, name = operation_of(entry.node).masking, entry.node.output
    if masking is None or name == output or not masking.is_bias_outside(entry):
        return False
    readers = [other.node for other in typed if name in other.node.inputs]
    return all(
        operation_of(reader).outside_mask is not None
        and reader.inputs.index(name) == 0
        and reader.inputs.count(name) == 1
        for reader in readers
    )


def _unwritten(entry: TypedNode) -> TypedNode:
    return replace(entry, node=replace(entry.node, attrs={**entry.node.attrs, OUTSIDE_UNWRITTEN.name: True}))


def _reading(entry: TypedNode, writers: dict[str, TypedNode]) -> TypedNode:
    writer = writers.get(entry.node.inputs[0]) if entry.node.inputs else None
    outside_mask = operation_of(entry.node).outside_mask
    if writer is None or outside_mask is None:
        return entry
    return outside_mask(entry, mask_of(writer.node) or "", writer.node.weights.get("bias"))
