"""Buffers of *rolling* maps: windows of a few rows, for maps that are read only in the segment that makes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sparsesr.modelfile.operations.value_types import Kind, TypedNode
from sparsesr.runtime.graph.segments import Segment, Segmentation
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import MapLayout, RowShape, Shape
from sparsesr.runtime.plan.place import Place
from sparsesr.runtime.plan.schedule import Band, total_rows

_Ranked = dict[tuple[RowShape, int], tuple[TypedNode, int]]


@dataclass(frozen=True)
class RollingMaps:
    """Buffers, and by segment where in them each map lives."""

    shapes: list[Shape]
    places: list[dict[str, Place]]


def place_rolling_maps(
    cut: Segmentation,
    schedules: Sequence[tuple[Band, ...]],
    grid: Grid,
    first_buffer: int,
    layout: MapLayout,
    bf16: frozenset[str],
) -> RollingMaps:
    """Place the maps that live in one segment. Segments share buffers: the largest with the largest."""
    rows_of: dict[RowShape, list[int]] = defaultdict(list)
    ranked = [
        _rank(cut, index, segment, bands, grid, layout, bf16)
        for index, (segment, bands) in enumerate(zip(cut.segments, schedules, strict=True))
    ]
    for windows in ranked:
        for (key, rank), (_, rows) in windows.items():
            rows_of[key] += [0] * (rank + 1 - len(rows_of[key]))
            rows_of[key][rank] = max(rows_of[key][rank], rows)
    numbers = {key: i for i, key in enumerate((key, r) for key in rows_of for r in range(len(rows_of[key])))}
    shapes = [Shape(rows_of[key][rank], *key) for key, rank in numbers]
    places = [
        {
            entry.node.output: Place(first_buffer + numbers[slot], False, grid.size(entry.output)[0])
            for slot, (entry, _) in windows.items()
        }
        for windows in ranked
    ]
    return RollingMaps(shapes, places)


def _rank(
    cut: Segmentation,
    index: int,
    segment: Segment,
    bands: Sequence[Band],
    grid: Grid,
    layout: MapLayout,
    bf16: frozenset[str],
) -> _Ranked:
    """Rolling maps of a segment with the rows they need, by shape of a row and rank among those."""
    groups: dict[RowShape, list[tuple[int, TypedNode]]] = defaultdict(list)
    for number, entry in enumerate(segment.nodes):
        name, value = entry.node.output, entry.output
        is_whole = name in cut.last_use and cut.home[name] == index
        if value.kind is Kind.MAP and not is_whole:
            key = layout.row_shape(entry, grid, bf16)
            rows = _window_rows(number, bands, total_rows(entry, grid.height))
            groups[key].append((rows, entry))
    ranked: _Ranked = {}
    for key, members in groups.items():
        members.sort(key=lambda member: -member[0])
        ranked.update({(key, rank): (entry, rows) for rank, (rows, entry) in enumerate(members)})
    return ranked


def _window_rows(node: int, bands: Sequence[Band], total: int) -> int:
    """Rows that a rolling window holds at most, with the zero rows beyond the picture's edges."""
    steps = [step for band in bands for step in band.steps if step.node == node]
    first, most = -1, 0
    for step in steps:
        first = max(first, step.keep)
        most = max(most, step.r1 + (step.r1 == total) - first)
    return most
