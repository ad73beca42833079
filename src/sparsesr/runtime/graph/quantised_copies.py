"""Quantised copies as the nodes see them that write them, next to the maps themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from sparsesr.modelfile.operations.registry import mask_of, operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.graph.number_types import MapTypes, Steps
from sparsesr.runtime.graph.zero_fill import ZeroFill, inactive_pixels_read


class QuantisedCopy(NamedTuple):
    """A copy that a node writes."""

    name: str
    steps: Steps
    inactive: ZeroFill
    """Inactive pixels that are copied, if the node computes active ones only."""


def quantised_copies(typed: Sequence[TypedNode], types: MapTypes) -> Mapping[str, QuantisedCopy]:
    """The copies of a prepared network, by the map that is copied."""
    writers = {entry.node.output: entry for entry in typed}
    return {
        entry.node.inputs[0]: _copy(entry.node.output, writers[entry.node.inputs[0]], typed, types)
        for entry in typed
        if operation_of(entry.node).is_by_product
    }


def _copy(name: str, writer: TypedNode, typed: Sequence[TypedNode], types: MapTypes) -> QuantisedCopy:
    pixels = inactive_pixels_read(typed, name, mask_of(writer.node))
    return QuantisedCopy(name, cast("Steps", types[name].steps), pixels)
