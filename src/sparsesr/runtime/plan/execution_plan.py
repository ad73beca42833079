"""Execution plan of a run: schedule, buffers and masks of every segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sparsesr.modelfile.operations.value_types import Kind, TypedNode
from sparsesr.runtime.graph.number_types import ALL_F32, MapTypes
from sparsesr.runtime.graph.segments import Segment, Segmentation, split
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import FLOAT_BYTES, MapLayout, Shape
from sparsesr.runtime.plan.place import Place
from sparsesr.runtime.plan.rolling_maps import ROOM, place_rolling_maps, rolling_nodes
from sparsesr.runtime.plan.schedule import Band, make_bands, sharing_windows, total_rows
from sparsesr.runtime.plan.shared_windows import window_groups
from sparsesr.runtime.plan.whole_maps import WholeMaps


@dataclass(frozen=True)
class PlannedSegment:
    """A segment with its schedule and buffers."""

    segment: Segment
    bands: tuple[Band, ...]
    places: Mapping[str, Place]
    masks: Mapping[str, int]
    """Index of each mask among the plan's masks."""


@dataclass(frozen=True)
class ExecutionPlan:
    """A complete run for one image size."""

    grid: Grid
    segments: tuple[PlannedSegment, ...]
    buffers: tuple[Shape, ...]
    """Memory of the windows."""
    masks: int
    """Number of masks that are in use at the same time."""
    layout: MapLayout

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers."""
        return self.nbytes_at(self.grid.height)

    def nbytes_at(self, height: int) -> int:
        """Bytes of all buffers if the image had `height` rows, with rolling windows of the same size."""
        whole = {p.buffer: p.rows for s in self.segments for p in s.places.values() if p.is_whole}
        windows = sum(
            shape._replace(rows=whole[i] * height // self.grid.height + 2).nbytes
            if i in whole
            else shape.nbytes
            for i, shape in enumerate(self.buffers)
        )
        masks = self.masks * self.layout.mask_bytes(height, self.grid.width)
        means = [e for s in self.segments for e in s.segment.nodes if e.output.kind is Kind.VECTOR]
        sums = sum(total_rows(entry, height) * entry.output.channels for entry in means)
        grid = replace(self.grid, height=height)
        scratch = [self.layout.scratch_values(e, grid) for s in self.segments for e in s.segment.nodes]
        return windows + masks + FLOAT_BYTES * max(scratch) + 8 * sums


def make_execution_plan(
    typed: Sequence[TypedNode],
    grid: Grid,
    band_rows: int,
    recompute: bool,
    layout: MapLayout,
    types: MapTypes = ALL_F32,
    masks_first: bool = False,
) -> ExecutionPlan:
    """Plan a run.

    Args:
        typed: the network.
        grid: size of the padded image.
        band_rows: LR rows that a segment advances per band.
        recompute: recompute cheap maps instead of keeping them, and let windows have no spare rows.
        layout: memory layout of the backend.
        types: types of the maps that are not in fp32.
        masks_first: complete each mask before any reader of it starts.
    """
    cut = split(typed, recompute, masks_first)
    schedules = [make_bands(segment, grid.height, band_rows) for segment in cut.segments]
    whole = WholeMaps(cut, schedules, grid, layout, types)
    windows = [
        window_groups(segment, bands, grid, rolling_nodes(cut, index), layout, types)
        for index, (segment, bands) in enumerate(zip(cut.segments, schedules, strict=True))
    ]
    schedules = [
        sharing_windows(segment, bands, grid.height, groups)
        for segment, bands, groups in zip(cut.segments, schedules, windows, strict=True)
    ]
    room = 1 if recompute else ROOM
    rolling = place_rolling_maps(cut, schedules, windows, grid, len(whole.shapes), layout, types, room)
    masks, mask_count = _mask_slots(cut)
    segments = tuple(
        PlannedSegment(segment, bands, {**whole.places[index], **rolling.places[index]}, masks[index])
        for index, (segment, bands) in enumerate(zip(cut.segments, schedules, strict=True))
    )
    return ExecutionPlan(grid, segments, (*whole.shapes, *rolling.shapes), mask_count, layout)


def _mask_slots(cut: Segmentation) -> tuple[list[dict[str, int]], int]:
    """Index of every live mask, per segment, and the number of indices."""
    live: dict[str, int] = {}
    slots: list[dict[str, int]] = []
    count = 0
    for index, segment in enumerate(cut.segments):
        live = {name: slot for name, slot in live.items() if cut.last_use.get(name, -1) >= index}
        for entry in segment.nodes:
            if entry.output.kind is Kind.MASK:
                free = set(range(count + 1)) - set(live.values())
                live[entry.node.output] = min(free)
                count = max(count, 1 + min(free))
        slots.append(dict(live))
    return slots, count
