"""Graph pass for pixels of the result that no active pixel reaches.

A trunk under one mask leaves features at inactive pixels as the head has made them. Where the tail's 3x3 neighbourhood
is inactive, head and tail are one linear map of 5x5 pixels of the image: far fewer multiply-adds than both. So both run
only near active pixels, and everywhere else that map replaces them. Photographs at native resolution are mostly such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sparsesr.modelfile.operations.reached_pixels import folded, is_linear_conv3x3, reached
from sparsesr.modelfile.operations.registry import feature_inputs, mask_of, operation_of
from sparsesr.modelfile.operations.value_types import Kind, TypedNode

_TAIL_REACH, _HEAD_REACH = 1, 2
"""Distances from active pixels at which results depend on the trunk, and at which features are read for those."""
_FOLDED = " folded"


class _Trunk(NamedTuple):
    head: TypedNode
    tail: TypedNode
    mask: str
    first_reader: TypedNode
    """That of the head's output."""


def with_unreached_pixels(typed: Sequence[TypedNode], output: str) -> tuple[TypedNode, ...]:
    """The network with head and tail near active pixels only; the same but for rounding.

    Networks of another form stay as they are: there must be one mask, and between two linear convolutions, of which the
    first one reads the image, nothing but masked operations that keep a residual.

    Args:
        typed: the masked network, with everything fused.
        output: name of the result tensor.
    """
    trunk = _trunk(typed, output)
    if trunk is None:
        return tuple(typed)
    head, tail, mask, first_reader = trunk
    plain = folded(head, tail, mask, tail.node.output + _FOLDED, _TAIL_REACH)
    near_head = reached(head, mask, _HEAD_REACH)
    near_tail = reached(tail, mask, _TAIL_REACH, plain)
    return tuple(
        new
        for entry in typed
        if entry is not head
        for new in (
            (near_head, entry) if entry is first_reader else (plain, near_tail) if entry is tail else (entry,)
        )
    )


def _trunk(typed: Sequence[TypedNode], output: str) -> _Trunk | None:
    masks = [entry.node.output for entry in typed if entry.output.kind is Kind.MASK]
    writers = {entry.node.output: entry for entry in typed}
    last = writers[output]
    if len(masks) != 1 or not operation_of(last.node).writes_results:
        return None
    tail = writers[last.node.inputs[0]]
    if not is_linear_conv3x3(tail) or _readers(tail.node.output, typed) != [last]:
        return None
    maps = [tail.node.inputs[0]]
    while _keeps_residual(writers[maps[-1]], masks[0]):
        maps.append(writers[maps[-1]].node.inputs[-1])
    head = writers[maps[-1]]
    if len(maps) == 1 or not is_linear_conv3x3(head) or not _is_image(writers[head.node.inputs[0]]):
        return None
    readers = [entry for name in maps for entry in _readers(name, typed) if entry is not tail]
    if not all(_reads_near_active(entry, masks[0]) for entry in readers):
        return None
    return _Trunk(head, tail, masks[0], _readers(head.node.output, typed)[0])


def _readers(name: str, typed: Sequence[TypedNode]) -> list[TypedNode]:
    return [entry for entry in typed if name in entry.node.inputs]


def _is_image(entry: TypedNode) -> bool:
    return operation_of(entry.node).is_source


def _keeps_residual(entry: TypedNode, mask: str) -> bool:
    masking = operation_of(entry.node).masking
    return masking is not None and masking.keeps_residual(entry.node) and mask_of(entry.node) == mask


def _reads_near_active(entry: TypedNode, mask: str) -> bool:
    """Whether a node uses its maps only at and next to active pixels, but for a residual that it keeps."""
    masking = operation_of(entry.node).masking
    return (
        masking is not None
        and mask_of(entry.node) == mask
        and masking.dense_out(entry.node) == 0
        and masking.reach(entry.node) <= 1
        and len(feature_inputs(entry.node)) + 1 + masking.keeps_residual(entry.node) == len(entry.node.inputs)
    )
