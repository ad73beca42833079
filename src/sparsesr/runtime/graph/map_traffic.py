"""Map traffic: bytes of maps that a network reads and writes, regardless of caches.

A layer counts each input map once, however many taps its kernel has, and its output once. A masked layer counts active
pixels in full, and dense channels only at inactive ones. Padding, pixel lists, weights and zero fill are not counted.
"""

from __future__ import annotations

from typing import NamedTuple

from sparsesr.modelfile.operations.registry import feature_inputs, operation_of
from sparsesr.modelfile.operations.value_types import Kind, TypedNode, ValueType
from sparsesr.runtime.graph.number_types import MapTypes, type_of


class MapTraffic(NamedTuple):
    """Bytes of maps that one node reads and writes for one image."""

    active: float
    """With all pixels active."""
    inactive: float
    """With none."""

    def at(self, density: float | None) -> int:
        """At a density of the node's mask; None for nodes without a mask."""
        share = 1.0 if density is None else density
        return round(share * self.active + (1 - share) * self.inactive)


def map_traffic(entry: TypedNode, height: int, width: int, types: MapTypes) -> MapTraffic:
    """Map traffic of one node.

    Args:
        entry: the node.
        height: rows of the padded LR image.
        width: its columns.
        types: types of the maps that are not in fp32.
    """
    maps = [*zip(entry.node.inputs, entry.inputs, strict=True), (entry.node.output, entry.output)]
    whole = sum(_bytes(name, value, height, width, types) for name, value in maps)
    shares = [
        _bytes(name, value, height, width, types) * share for name, value, share in _dense_shares(entry)
    ]
    return MapTraffic(whole, sum(shares))


def _bytes(name: str, value: ValueType, height: int, width: int, types: MapTypes) -> int:
    if value.kind is not Kind.MAP or value.resolution is None:
        return 0
    pixels = value.resolution.of(height) * value.resolution.of(width)
    return pixels * value.channels * type_of(name, types).value_bytes


def _dense_shares(entry: TypedNode) -> list[tuple[str, ValueType, float]]:
    """Maps that a masked node reads and writes at inactive pixels, with the fraction of their channels."""
    masking = operation_of(entry.node).masking
    if masking is None or masking.dense_out(entry.node) == 0:
        return []
    types = dict(zip(entry.node.inputs, entry.inputs, strict=True))
    dense_in = zip(feature_inputs(entry.node), masking.dense_in(entry.node), strict=True)
    read = [(name, types[name], channels / types[name].channels) for name, channels in dense_in]
    return [*read, (entry.node.output, entry.output, masking.dense_out(entry.node) / entry.output.channels)]
