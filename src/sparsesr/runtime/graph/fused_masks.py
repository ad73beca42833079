"""Graph pass that fuses a mask with the operation that computes its logits, which then need no map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import TypedNode


def with_fused_masks(typed: Sequence[TypedNode]) -> tuple[TypedNode, ...]:
    """The network with fused masks. Logits are not the same to the last bit, so a pixel on the threshold may change.

    Args:
        typed: the network; its output is not among the maps that may vanish, since a mask does not end a network.
    """
    readers = Counter(name for entry in typed for name in entry.node.inputs)
    writers = {entry.node.output: entry for entry in typed}
    fused: dict[str, TypedNode] = {}
    gone: set[str] = set()
    for entry in typed:
        if len(entry.node.inputs) != 1 or readers[entry.node.inputs[0]] != 1:
            continue
        writer = writers[entry.node.inputs[0]]
        both = operation_of(entry.node).absorbs_writer(entry, writer)
        if both is not None:
            fused[entry.node.output] = both
            gone.add(writer.node.output)
    return tuple(fused.get(entry.node.output, entry) for entry in typed if entry.node.output not in gone)
