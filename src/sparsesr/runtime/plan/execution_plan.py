"""What a run computes in which order, and in which buffers: everything but the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sparsesr.modelfile.operations.value_types import Kind, TypedNode
from sparsesr.runtime.graph.segments import Segment, Segmentation, split
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import FLOAT_BYTES, MapLayout, Shape
from sparsesr.runtime.plan.place import Place
from sparsesr.runtime.plan.rolling_maps import place_rolling_maps
from sparsesr.runtime.plan.schedule import Band, make_bands, total_rows
from sparsesr.runtime.plan.whole_maps import WholeMaps


@dataclass(frozen=True)
class PlannedSegment:
    """A segment with its schedule and its buffers."""

    segment: Segment
    bands: tuple[Band, ...]
    places: Mapping[str, Place]
    masks: Mapping[str, int]
    """Which of the plan's masks each mask is."""


@dataclass(frozen=True)
class ExecutionPlan:
    """A complete run for one size of image."""

    grid: Grid
    segments: tuple[PlannedSegment, ...]
    buffers: tuple[Shape, ...]
    """Windows."""
    masks: int
    """Masks that exist at a time."""
    layout: MapLayout

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers."""
        return self.nbytes_at(self.grid.height)

    def nbytes_at(self, height: int) -> int:
        """Bytes of all buffers if the picture had `height` rows: rolling windows stay as they are."""
        whole = {p.buffer: p.rows for s in self.segments for p in s.places.values() if p.is_whole}
        windows = sum(
            shape._replace(rows=whole[i] * height // self.grid.height + 2).nbytes
            if i in whole
            else shape.nbytes
            for i, shape in enumerate(self.buffers)
        )
        masks = self.masks * self.layout.mask_pixel_bytes * height * self.grid.width
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
    bf16: frozenset[str] = frozenset(),
) -> ExecutionPlan:
    """Plan a run.

    Args:
        typed: the network.
        grid: size of the padded image.
        band_rows: LR rows by which a segment advances at a time.
        recompute: compute cheap maps again rather than keep them.
        layout: of the backend.
        bf16: names of the maps with values in bf16.
    """
    cut = split(typed, recompute)
    schedules = [make_bands(segment, grid.height, band_rows) for segment in cut.segments]
    whole = WholeMaps(cut, schedules, grid, layout, bf16)
    rolling = place_rolling_maps(cut, schedules, grid, len(whole.shapes), layout, bf16)
    masks, mask_count = _mask_slots(cut)
    segments = tuple(
        PlannedSegment(segment, bands, {**whole.places[index], **rolling.places[index]}, masks[index])
        for index, (segment, bands) in enumerate(zip(cut.segments, schedules, strict=True))
    )
    return ExecutionPlan(grid, segments, (*whole.shapes, *rolling.shapes), mask_count, layout)


def _mask_slots(cut: Segmentation) -> tuple[list[dict[str, int]], int]:
    """A number for every mask, per segment, and how many numbers there are."""
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
