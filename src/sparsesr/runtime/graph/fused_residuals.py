"""Graph pass that fuses the ``add`` of a residual into the masked convolution before it.

A residual block ends with a masked convolution and an ``add``. The convolution is zero at inactive pixels, so the sum
equals the residual there. Fused, and written over a residual that has no other reader left, the block costs nothing at
inactive pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from sparsesr.modelfile.operations.attributes import RESIDUAL
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import Node


def with_fused_residuals(typed: Sequence[TypedNode], output: str) -> tuple[TypedNode, ...]:
    """The network with residual sums fused; in fp32 nothing changes but the sign of zeros.

    A fused convolution has the attribute ``residual``, which masked convolutions in model files may not have. It keeps
    its name, and takes the position and the output of the ``add``.

    Args:
        typed: the network.
        output: name of the result tensor.
    """
    readers = Counter(name for entry in typed for name in entry.node.inputs)
    branches = {
        entry.node.output: entry
        for entry in typed
        if operation_of(entry.node).absorbs_residual(entry.node)
        and readers[entry.node.output] == 1
        and entry.node.output != output
    }
    fused = dict(_pairs(typed, branches))
    gone = set(fused.values())
    return tuple(
        _with_residual(branches[fused[entry.node.output]], entry) if entry.node.output in fused else entry
        for entry in typed
        if entry.node.output not in gone
    )


def _pairs(typed: Sequence[TypedNode], branches: Mapping[str, TypedNode]) -> Iterator[tuple[str, str]]:
    """Outputs of sums that can be fused, each with the input whose convolution absorbs it."""
    for entry in typed:
        found = [name for name in entry.node.inputs if name in branches]
        if found and operation_of(entry.node).is_plain_sum(entry.node):
            yield entry.node.output, found[-1]


def _with_residual(branch: TypedNode, total: TypedNode) -> TypedNode:
    node = branch.node
    (residual,) = (name for name in total.node.inputs if name != node.output)
    attrs = {**node.attrs, RESIDUAL.name: True}
    added = Node(node.op, (*node.inputs, residual), total.node.output, attrs, node.weights, node.name)
    return TypedNode(added, (*branch.inputs, total.output), total.output, branch.sizes)
