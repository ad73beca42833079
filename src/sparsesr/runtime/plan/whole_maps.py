"""Buffers of *whole* maps: those that are read after the segment that computes them.

They reuse buffers of maps that are no longer needed, even within a segment if the schedule shows that each row has
been read before it is overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.runtime.graph.number_types import MapTypes
from sparsesr.runtime.graph.segments import Segmentation
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import MapLayout, Shape
from sparsesr.runtime.plan.place import Place
from sparsesr.runtime.plan.schedule import Band, may_overwrite


class WholeMaps:
    """Assigns a buffer to every map that outlives its segment."""

    def __init__(
        self,
        cut: Segmentation,
        schedules: Sequence[tuple[Band, ...]],
        grid: Grid,
        layout: MapLayout,
        types: MapTypes,
    ) -> None:
        self.shapes: list[Shape] = []
        self.places: list[dict[str, Place]] = []
        self._cut, self._schedules, self._grid = cut, schedules, grid
        self._layout, self._types = layout, types
        live: dict[str, Place] = {}
        for index in range(len(cut.segments)):
            live = {name: place for name, place in live.items() if cut.last_use[name] >= index}
            entering = dict(live)
            self._place_outputs(index, live)
            self.places.append({**entering, **live})

    def _place_outputs(self, index: int, live: dict[str, Place]) -> None:
        """Place the whole maps that a segment computes; updates `live` to the maps in use at its end."""
        entering = {name: place.buffer for name, place in live.items()}
        for entry in self._cut.segments[index].nodes:
            name, value = entry.node.output, entry.output
            if value.kind is Kind.MAP and name in self._cut.last_use and self._cut.home[name] == index:
                rows, _ = self._grid.size(value)
                shape = Shape(rows + 2, *self._layout.row_shape(entry, self._grid, self._types))
                taken = {place.buffer for place in live.values()}
                buffer = self._find(index, name, shape, taken, entering)
                live[name] = Place(buffer, True, rows)
                for old in [old for old, b in entering.items() if b == buffer]:
                    del live[old], entering[old]

    def _find(self, index: int, name: str, shape: Shape, taken: set[int], entering: Mapping[str, int]) -> int:
        """A free buffer, else one whose map is read for the last time in this segment, row by row, else a new one."""
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
