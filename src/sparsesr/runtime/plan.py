"""What a run computes in which order, and in which buffers: everything but the pixels.

Maps that are read in the segment that makes them only live in *rolling* windows of a few rows; the others
are *whole*. Whole maps take over the buffers of maps that are no longer needed, also within a segment, where
the schedule shows that each row is dead before it is overwritten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sparsesr.modelfile.operations.attributes import HEADS, SEGMENTS
from sparsesr.modelfile.operations.segment_attention import segment_tokens
from sparsesr.modelfile.operations.value_types import FULL, PICTURE_CHANNELS, Kind, TypedNode, ValueType
from sparsesr.runtime.schedule import Band, make_bands, may_overwrite, total_rows
from sparsesr.runtime.segments import Segment, Segmentation, split

FLOAT_BYTES, BF16_BYTES = 4, 2
PICTURE_STRIDE = 4
CHANNEL_BLOCK = 16
MASK_BYTES = 3 * 4 + 2
"""Of a mask, per pixel: three lists (active, inactive, border) with room for all pixels, and the neighbours of each."""


@dataclass(frozen=True)
class Grid:
    """Size of the picture that the network sees, padded."""

    height: int
    width: int
    scale: int

    def size(self, value: ValueType) -> tuple[int, int]:
        """Rows and columns of a map."""
        resolution = value.resolution or FULL
        return resolution.of(self.height), resolution.of(self.width)


@dataclass(frozen=True)
class Place:
    """Where a map lives during one segment."""

    buffer: int
    """Index into :attr:`Plan.buffers`."""
    is_whole: bool
    rows: int
    """Rows of the whole map."""


class Shape(NamedTuple):
    """A buffer for windows."""

    rows: int
    columns: int
    """Width and the two border columns."""
    stride: int
    value_bytes: int

    @property
    def nbytes(self) -> int:
        """Bytes of the buffer."""
        return self.rows * self.columns * self.stride * self.value_bytes


@dataclass(frozen=True)
class PlannedSegment:
    """A segment with its schedule and its buffers."""

    segment: Segment
    bands: tuple[Band, ...]
    places: Mapping[str, Place]
    masks: Mapping[str, int]
    """Which of the plan's masks each mask is."""


@dataclass(frozen=True)
class Plan:
    """A complete run for one size of picture."""

    grid: Grid
    segments: tuple[PlannedSegment, ...]
    buffers: tuple[Shape, ...]
    """Windows."""
    masks: int
    """Masks that exist at a time."""

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
        masks = self.masks * MASK_BYTES * height * self.grid.width
        means = [e for s in self.segments for e in s.segment.nodes if e.output.kind is Kind.VECTOR]
        sums = sum(total_rows(entry, height) * entry.output.channels for entry in means)
        grid = replace(self.grid, height=height)
        packed = [_packed_values(e, grid) for s in self.segments for e in s.segment.nodes]
        return windows + masks + FLOAT_BYTES * max(packed) + 8 * sums


def make_plan(
    typed: Sequence[TypedNode],
    grid: Grid,
    band_rows: int,
    recompute: bool,
    bf16: frozenset[str] = frozenset(),
) -> Plan:
    """Plan a run.

    Args:
        typed: the network.
        grid: the padded picture.
        band_rows: LR rows by which a segment advances at a time.
        recompute: compute cheap maps again rather than keep them.
        bf16: names of the maps with values in bf16.
    """
    cut = split(typed, recompute)
    schedules = [make_bands(segment, grid.height, band_rows) for segment in cut.segments]
    whole = _WholeMaps(cut, schedules, grid, bf16)
    rolling = _roll(cut, schedules, grid, len(whole.shapes), bf16)
    masks, mask_count = _mask_slots(cut)
    segments = tuple(
        PlannedSegment(segment, bands, {**whole.places[index], **rolling.places[index]}, masks[index])
        for index, (segment, bands) in enumerate(zip(cut.segments, schedules, strict=True))
    )
    return Plan(grid, segments, (*whole.shapes, *rolling.shapes), mask_count)


def _packed_values(entry: TypedNode, grid: Grid) -> int:
    """Values that an attention packs: keys and values of one head of a segment, in groups of 16, dims of 6."""
    if entry.node.op != "segment_attention":
        return 0
    rows, columns = grid.size(entry.output)
    keys = -(-segment_tokens(rows * columns, SEGMENTS.of(entry.node)) // 16) * 16
    return 2 * keys * (-(-entry.output.channels // HEADS.of(entry.node) // 6) * 6)


def stride_of(channels: int) -> int:
    """Values per pixel of a map: pictures have four, others a multiple of sixteen."""
    return PICTURE_STRIDE if channels == PICTURE_CHANNELS else -(-channels // CHANNEL_BLOCK) * CHANNEL_BLOCK


def value_bytes_of(entry: TypedNode, bf16: frozenset[str]) -> int:
    """Bytes per value of a node's output; ``bf16`` names the maps in bf16."""
    return BF16_BYTES if entry.node.output in bf16 else FLOAT_BYTES


class _WholeMaps:
    """Gives every map that outlives its segment a buffer."""

    def __init__(
        self, cut: Segmentation, schedules: Sequence[tuple[Band, ...]], grid: Grid, bf16: frozenset[str]
    ) -> None:
        self.shapes: list[Shape] = []
        self.places: list[dict[str, Place]] = []
        self._cut, self._schedules, self._grid, self._bf16 = cut, schedules, grid, bf16
        live: dict[str, Place] = {}
        for index in range(len(cut.segments)):
            live = {name: place for name, place in live.items() if cut.last_use[name] >= index}
            entering = dict(live)
            self._place_outputs(index, live)
            self.places.append({**entering, **live})

    def _place_outputs(self, index: int, live: dict[str, Place]) -> None:
        """Place the whole maps that a segment makes; `live` becomes what is in use at its end."""
        entering = {name: place.buffer for name, place in live.items()}
        for entry in self._cut.segments[index].nodes:
            name, value = entry.node.output, entry.output
            if value.kind is Kind.MAP and name in self._cut.last_use and self._cut.home[name] == index:
                rows, _ = self._grid.size(value)
                shape = Shape(rows + 2, *_row_shape(entry, self._grid, self._bf16))
                taken = {place.buffer for place in live.values()}
                buffer = self._find(index, name, shape, taken, entering)
                live[name] = Place(buffer, True, rows)
                for old in [old for old, b in entering.items() if b == buffer]:
                    del live[old], entering[old]

    def _find(self, index: int, name: str, shape: Shape, taken: set[int], entering: Mapping[str, int]) -> int:
        """A free buffer, else one whose map dies row by row in this segment, else a new one."""
        free = [b for b, other in enumerate(self.shapes) if other == shape and b not in taken]
        if free:
            return free[0]
        segment, bands = self._cut.segments[index], self._schedules[index]
        for old, buffer in entering.items():
            dies = self._cut.last_use[old] == index and self.shapes[buffer] == shape
            if dies and may_overwrite(segment, bands, self._grid.height, old, name):
                return buffer
        self.shapes.append(shape)
        return len(self.shapes) - 1


@dataclass(frozen=True)
class _Rolling:
    shapes: list[Shape]
    places: list[dict[str, Place]]


def _roll(
    cut: Segmentation,
    schedules: Sequence[tuple[Band, ...]],
    grid: Grid,
    first_buffer: int,
    bf16: frozenset[str],
) -> _Rolling:
    """Place the maps that live in one segment. Segments share buffers: the largest with the largest."""
    rows_of: dict[_RowShape, list[int]] = defaultdict(list)
    ranked = [
        _rank(cut, index, segment, bands, grid, bf16)
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
    return _Rolling(shapes, places)


_RowShape = tuple[int, int, int]
_Ranked = dict[tuple[_RowShape, int], tuple[TypedNode, int]]


def _row_shape(entry: TypedNode, grid: Grid, bf16: frozenset[str]) -> _RowShape:
    """Columns, stride and bytes per value of a node's output."""
    columns = grid.size(entry.output)[1] + 2
    return columns, stride_of(entry.output.channels), value_bytes_of(entry, bf16)


def _rank(
    cut: Segmentation,
    index: int,
    segment: Segment,
    bands: Sequence[Band],
    grid: Grid,
    bf16: frozenset[str],
) -> _Ranked:
    """Rolling maps of a segment with the rows they need, by shape of a row and rank among those."""
    groups: dict[_RowShape, list[tuple[int, TypedNode]]] = defaultdict(list)
    for number, entry in enumerate(segment.nodes):
        name, value = entry.node.output, entry.output
        is_whole = name in cut.last_use and cut.home[name] == index
        if value.kind is Kind.MAP and not is_whole:
            key = _row_shape(entry, grid, bf16)
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
