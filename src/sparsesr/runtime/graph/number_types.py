"""Number types: which maps of a network are stored and multiplied in fewer bits than fp32.

A bf16 map takes half the memory, and bf16 instructions multiply two channels at once; sums stay in fp32. Images,
logits and maps that are about to become an image stay in fp32. For int8 see :mod:`sparsesr.runtime.graph.quantised`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sparsesr.modelfile.operations.registry import feature_inputs, operation_of
from sparsesr.modelfile.operations.value_types import Kind, TypedNode

Steps: TypeAlias = "tuple[float, int]"
"""What the values of a quantised map stand for: (value - zero) * scale, as (scale, zero)."""


@dataclass(frozen=True)
class MapType:
    """Number type of a map."""

    name: str
    """As kernels name it: ``f32``, ``bf16`` or ``u8``."""
    value_bytes: int
    steps: Steps | None = None
    """Of a quantised map."""

    @property
    def zero(self) -> int:
        """The value that stands for zero."""
        return 0 if self.steps is None else self.steps[1]


F32, BF16 = MapType("f32", 4), MapType("bf16", 2)
MapTypes: TypeAlias = Mapping[str, MapType]
"""Types of the maps that are not in fp32, by name."""
ALL_F32: MapTypes = {}


def quantised(scale: float, zero: int) -> MapType:
    """The type of a quantised map."""
    return MapType("u8", 1, (scale, zero))


def type_of(name: str, types: MapTypes) -> MapType:
    """The type of a map."""
    return types.get(name, F32)


def types_in_bf16(typed: Sequence[TypedNode], types: MapTypes = ALL_F32) -> MapTypes:
    """`types` with as many of the other maps in bf16 as possible."""
    return {**types, **dict.fromkeys(sorted(bf16_maps(typed, types)), BF16)}


def bf16_maps(typed: Sequence[TypedNode], types: MapTypes = ALL_F32) -> frozenset[str]:
    """Names of the maps to keep in bf16: those without a type whose writer and readers all support it."""
    chosen = {entry.node.output for entry in typed if _may_write(entry)} - types.keys()
    while True:
        refused = {name for entry in typed for name in _refused(entry, chosen)}
        if not refused:
            return frozenset(chosen)
        chosen -= refused


def input_types(entry: TypedNode, types: MapTypes) -> tuple[MapType, ...]:
    """Types of the maps that a node multiplies by its weights; all have one name."""
    return tuple(type_of(name, types) for name in feature_inputs(entry.node))


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
