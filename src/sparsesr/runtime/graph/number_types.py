"""Number types: which maps of a network are stored and multiplied in bf16.

A bf16 map takes half the memory, and bf16 instructions multiply two channels at once; sums stay in fp32. Images,
logits and maps that are about to become an image stay in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.registry import feature_inputs, operation_of
from sparsesr.modelfile.operations.value_types import Kind, TypedNode


def bf16_maps(typed: Sequence[TypedNode]) -> frozenset[str]:
    """Names of the maps to keep in bf16: those whose writer and readers all support it."""
    chosen = {entry.node.output for entry in typed if _may_write(entry)}
    while True:
        refused = {name for entry in typed for name in _refused(entry, chosen)}
        if not refused:
            return frozenset(chosen)
        chosen -= refused


def input_dtype(entry: TypedNode, bf16: frozenset[str]) -> str:
    """Type of a node's feature maps, as the kernels name it: ``f32`` or ``bf16``."""
    return "bf16" if bf16.intersection(feature_inputs(entry.node)) else "f32"


def _may_write(entry: TypedNode) -> bool:
    is_map = entry.output.kind is Kind.MAP and not entry.output.is_image
    return is_map and "bf16" in operation_of(entry.node).number_types.writes


def _refused(entry: TypedNode, chosen: set[str]) -> set[str]:
    """Maps that this node reads or writes and that cannot be bf16."""
    maps = [n for n, v in zip(entry.node.inputs, entry.inputs, strict=True) if v.kind is Kind.MAP]
    types = operation_of(entry.node).number_types
    if "bf16" not in types.reads:
        return chosen & set(maps)
    return {name for group in types.same_type_maps(entry.node) for name in _unless_all(group, chosen)}


def _unless_all(names: Sequence[str], chosen: set[str]) -> set[str]:
    """The chosen ones of `names`, unless all are chosen."""
    found = chosen & set(names)
    return set() if len(found) == len(set(names)) else found
