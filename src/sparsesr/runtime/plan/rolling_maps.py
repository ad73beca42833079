"""Buffers of *rolling* maps: windows of a few rows, for maps that are read only in the segment that computes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsesr.modelfile.operations.attributes import TO_RESULT
from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.runtime.graph.number_types import MapTypes
from sparsesr.runtime.graph.segments import Segment, Segmentation
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import MapLayout, RowShape, Shape
from sparsesr.runtime.plan.place import Place
from sparsesr.runtime.plan.schedule import Band, total_rows

ROOM = 2
"""Rows of a window, relative to the most that are needed at once: rows move to its start only when it is full."""
Windows = list[list[int]]
"""For each window of a segment, the nodes whose outputs share it."""
_Ranked = dict[tuple[RowShape, int], tuple[list[str], int]]


@dataclass(frozen=True)
class RollingMaps:
    """Buffers, and the place of each map by segment."""

    shapes: list[Shape]
    places: list[dict[str, Place]]


def rolling_nodes(cut: Segmentation, index: int) -> list[str]:
    """Maps that are only used in segment `index`, which computes them."""
    return [
        entry.node.output
        for entry in cut.segments[index].nodes
        if entry.output.kind is Kind.MAP
        and not TO_RESULT.of(entry.node)
        and not (entry.node.output in cut.last_use and cut.home[entry.node.output] == index)
    ]


def place_rolling_maps(
    cut: Segmentation,
    schedules: Sequence[tuple[Band, ...]],
    windows: Sequence[Windows],
    grid: Grid,
    first_buffer: int,
    layout: MapLayout,
    types: MapTypes,
    room: int,
) -> RollingMaps:
    """Place the maps that are used in one segment only. Segments share buffers, their largest windows the first one.

    ``room``: see `ROOM`; 1 takes the least memory.
    """
    rows_of: dict[RowShape, list[int]] = defaultdict(list)
    ranked = [
        _rank(segment, bands, groups, grid, layout, types, room)
        for segment, bands, groups in zip(cut.segments, schedules, windows, strict=True)
    ]
    for slots in ranked:
        for (key, rank), (_, rows) in slots.items():
            rows_of[key] += [0] * (rank + 1 - len(rows_of[key]))
            rows_of[key][rank] = max(rows_of[key][rank], rows)
    numbers = {key: i for i, key in enumerate((key, r) for key in rows_of for r in range(len(rows_of[key])))}
    shapes = [Shape(rows_of[key][rank], *key) for key, rank in numbers]
    places = [
        _places(segment, slots, {slot: first_buffer + number for slot, number in numbers.items()}, grid)
        for segment, slots in zip(cut.segments, ranked, strict=True)
    ]
    return RollingMaps(shapes, places)


def _places(
    segment: Segment, slots: _Ranked, buffers: Mapping[tuple[RowShape, int], int], grid: Grid
) -> dict[str, Place]:
    rows = {entry.node.output: grid.size(entry.output)[0] for entry in segment.nodes}
    return {
        name: Place(buffers[slot], False, rows[name]) for slot, (names, _) in slots.items() for name in names
    }


def _rank(
    segment: Segment,
    bands: Sequence[Band],
    windows: Windows,
    grid: Grid,
    layout: MapLayout,
    types: MapTypes,
    room: int,
) -> _Ranked:
    """Maps that share a window, and its rows, by row shape and by rank among the windows with that row shape."""
    groups: dict[RowShape, list[tuple[int, list[str]]]] = defaultdict(list)
    for nodes in windows:
        first = segment.nodes[nodes[0]]
        total = total_rows(first, grid.height)
        rows = min(room * _window_rows(nodes, bands, total), total + 2)
        names = [segment.nodes[node].node.output for node in nodes]
        groups[layout.row_shape(first, grid, types)].append((rows, names))
    ranked: _Ranked = {}
    for key, members in groups.items():
        members.sort(key=lambda member: -member[0])
        ranked.update({(key, rank): (names, rows) for rank, (rows, names) in enumerate(members)})
    return ranked


def _window_rows(nodes: Sequence[int], bands: Sequence[Band], total: int) -> int:
    """Most rows that are needed at once in a rolling window, with the zero rows above and below the image."""
    steps = [step for band in bands for step in band.steps if step.node in nodes]
    first, end, most = -1, 0, 0
    for step in steps:
        first = max(first, step.keep)
        end = max(end, step.r1 + (step.r1 == total))
        most = max(most, end - first)
    return most
