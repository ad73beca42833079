"""Plans the runs of one network: padded size, height of bands, buffers. The latest plans are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from math import lcm

from sparsesr.errors import LimitError, UsageError
from sparsesr.limits import MEBIBYTE
from sparsesr.modelfile.operations.value_types import FULL, Kind, TypedNode
from sparsesr.modelfile.padding import padding_of
from sparsesr.modelfile.spec import Facts
from sparsesr.runtime.graph.prepared import PreparedGraph
from sparsesr.runtime.plan.execution_plan import ExecutionPlan, make_execution_plan
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import MapLayout, value_bytes_of

BAND_BYTES = 4 * MEBIBYTE
"""Size of a band of the widest map: lower bands stay in nearer caches, but cost more calls, and threads wait
for each other after each of them."""
MIN_BAND_ROWS = 4
_PLANS_KEPT = 16
_MAX_PIXEL_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class PlanOptions:
    """How a run goes about its work; the result is the same for each but ``dense``."""

    dense: bool = False
    low_memory: bool = False
    """Compute cheap maps again rather than keep them."""
    band_rows: int | None = None
    """LR rows to advance at a time; None: what suits the cache."""


@dataclass
class Planner:
    """Plans for a network; any number of threads may ask."""

    facts: Facts
    masked: PreparedGraph
    dense: PreparedGraph
    layout: MapLayout
    _plans: OrderedDict[tuple[Grid, PlanOptions], ExecutionPlan] = field(
        init=False, default_factory=OrderedDict[tuple[Grid, PlanOptions], ExecutionPlan]
    )
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._padding = padding_of(self.facts, self.masked.typed)
        self._resolutions = {entry.output.resolution or FULL for entry in self.masked.typed}

    def form(self, dense: bool) -> PreparedGraph:
        """The network as such a run computes it."""
        return self.dense if dense else self.masked

    def grid(self, height: int, width: int) -> Grid:
        """The padded size.

        Raises:
            LimitError: too many pixels for 32-bit pixel numbers.
        """
        rows, columns = self._padding.size(height, width)
        if any(
            (size.of(rows) + 2) * (size.of(columns) + 2) > _MAX_PIXEL_NUMBER for size in self._resolutions
        ):
            raise LimitError(f"a picture of {width} x {height} pixels is too large to enlarge in one piece")
        return Grid(rows, columns, self.facts.scale)

    def plan(self, grid: Grid, options: PlanOptions) -> ExecutionPlan:
        """The plan for one size of image.

        Raises:
            UsageError: no such height of bands.
        """
        if options.band_rows is not None and options.band_rows < 1:
            raise UsageError(f"band_rows must be at least 1, got {options.band_rows}")
        rows = options.band_rows or self.default_band_rows(grid)
        key = (grid, replace(options, band_rows=rows))
        with self._lock:
            if key not in self._plans:
                form = self.form(options.dense)
                self._plans[key] = make_execution_plan(
                    form.typed, grid, rows, options.low_memory, self.layout, form.bf16
                )
            self._plans.move_to_end(key)
            if len(self._plans) > _PLANS_KEPT:
                self._plans.popitem(last=False)
            return self._plans[key]

    def buffer_bytes(self, grid: Grid, options: PlanOptions) -> int:
        """Bytes of all buffers of a run."""
        rows = options.band_rows or self.default_band_rows(grid)
        plan = self.plan(self._shortened(grid, rows), replace(options, band_rows=rows))
        return plan.nbytes_at(grid.height)

    def default_band_rows(self, grid: Grid) -> int:
        """As many rows as fill the cache, a multiple of the model's size multiple and of two."""
        maps = [entry for entry in self.masked.typed if entry.output.kind is Kind.MAP]
        rows = BAND_BYTES // max(self._band_row_bytes(entry, grid) for entry in maps)
        multiple = lcm(self.facts.size_multiple, 2)
        return max(MIN_BAND_ROWS, rows // multiple * multiple)

    def _band_row_bytes(self, entry: TypedNode, grid: Grid) -> int:
        """Bytes of a map per LR row, as far as kernels read them together: 64 channels at most."""
        rows, columns = grid.size(entry.output)
        stride = self.layout.stride(min(entry.output.channels, 64))
        return -(-rows // grid.height) * (columns + 2) * stride * value_bytes_of(entry, self.masked.bf16)

    def _shortened(self, grid: Grid, band_rows: int) -> Grid:
        """A lower image whose rolling windows are as large: the wavefront soon moves evenly."""
        settled = (32 + 2 * len(self.masked.typed) // band_rows) * band_rows
        if band_rows % lcm(self.facts.size_multiple, 2) or grid.height <= settled + band_rows:
            return grid
        return Grid(settled + grid.height % band_rows, grid.width, grid.scale)
