"""Graph pass that fuses the end of a network: bicubic skip, pixel shuffle and the conversion to the result's type.

One pass over the rows of the result then replaces three, and neither the skip nor the sum is ever stored as a map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sparsesr.modelfile.operations.attributes import ENLARGES_SKIP, TO_RESULT
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import TypedNode


def with_fused_ending(typed: Sequence[TypedNode], output: str) -> tuple[TypedNode, ...]:
    """The network with a last node that writes the result itself, if it can; no bit changes.

    Such a node has the attribute ``to_result``. With ``enlarges_skip`` it reads the image that another node would
    otherwise enlarge for it alone.

    Args:
        typed: the network.
        output: name of the result tensor.
    """
    readers = Counter(name for entry in typed for name in entry.node.inputs)
    writers = {entry.node.output: entry for entry in typed}
    last = writers[output]
    if readers[output] > 0 or not operation_of(last.node).writes_results:
        return tuple(typed)
    if len(last.inputs) == 1:
        return tuple(_to_result(last) if entry is last else entry for entry in typed)
    skip = writers[last.node.inputs[-1]]
    if readers[skip.node.output] > 1 or not operation_of(last.node).absorbs_skip(last.node, skip.node):
        return tuple(typed)
    ending = _enlarging(_to_result(last), skip)
    return tuple(ending if entry is last else entry for entry in typed if entry is not skip)


def _to_result(last: TypedNode) -> TypedNode:
    return replace(last, node=replace(last.node, attrs={**last.node.attrs, TO_RESULT.name: True}))


def _enlarging(ending: TypedNode, skip: TypedNode) -> TypedNode:
    node = ending.node
    attrs = {**node.attrs, ENLARGES_SKIP.name: True}
    enlarging = replace(node, inputs=(*node.inputs[:-1], *skip.node.inputs), attrs=attrs)
    return replace(ending, node=enlarging, inputs=(*ending.inputs[:-1], *skip.inputs))
