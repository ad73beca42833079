"""Graph pass that makes a network dense."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import TypedNode


def without_masks(typed: Sequence[TypedNode], output: str) -> tuple[TypedNode, ...]:
    """The network with all pixels active: masked convolutions become plain ones, and masks are removed."""
    plain = [_unmasked(entry) for entry in typed]
    needed, kept = {output}, list[TypedNode]()
    for entry in reversed(plain):
        if entry.node.output in needed:
            needed.update(entry.node.inputs)
            kept.append(entry)
    return tuple(reversed(kept))


def _unmasked(entry: TypedNode) -> TypedNode:
    masking = operation_of(entry.node).masking
    return entry if masking is None else masking.unmasked(entry)
