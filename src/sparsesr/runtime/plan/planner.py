"""Planner of a network's runs: padded size, band height, buffers. Caches the latest plans."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from math import lcm

from sparsesr.errors import LimitError, UsageError
from sparsesr.forked import RenewedLock
from sparsesr.limits import MEBIBYTE
from sparsesr.modelfile.operations.value_types import FULL, Kind, TypedNode
from sparsesr.modelfile.padding import padding_of
from sparsesr.modelfile.spec import Facts
from sparsesr.runtime.graph.number_types import type_of
from sparsesr.runtime.graph.prepared import PreparedGraph
from sparsesr.runtime.plan.execution_plan import ExecutionPlan, make_execution_plan
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import MapLayout

BAND_BYTES = 8 * MEBIBYTE
"""Bytes of a band of the widest map. Lower bands fit nearer caches but need more calls, after each of which threads
wait for each other."""
MIN_BAND_ROWS = 16
"""Those of wide images: more bytes than in a near cache, but where masks keep little, calls cost more than memory."""
_PLANS_KEPT = 64
"""Parts of a video's frames come in some dozens of sizes."""
_MAX_PIXEL_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class PlanOptions:
    """Options of a run; only ``dense`` changes the result."""

    dense: bool = False
    low_memory: bool = False
    """Recompute cheap maps instead of keeping them, and move the rows of others more often."""
    band_rows: int | None = None
    """LR rows to advance at a time; None: chosen for the cache."""
    masks_first: bool = False
    """Complete each mask before any reader of it starts."""


@dataclass
class Planner:
    """Plans the runs of a network; safe to use from any number of threads."""

    facts: Facts
    masked: PreparedGraph
    dense: PreparedGraph
    layout: MapLayout
    _plans: OrderedDict[tuple[Grid, PlanOptions], ExecutionPlan] = field(
        init=False, default_factory=OrderedDict[tuple[Grid, PlanOptions], ExecutionPlan]
    )
    _lock: RenewedLock = field(init=False, default_factory=RenewedLock)

    def __post_init__(self) -> None:
        self._padding = padding_of(self.facts, self.masked.typed)
        maps = [entry for entry in self.masked.typed if entry.output.kind is Kind.MAP]
        #: Of each kind of map, one; all of a kind have rows of the same size.
        self._maps = list({(e.output, type_of(e.node.output, self.masked.types)): e for e in maps}.values())
        self._resolutions = {entry.output.resolution or FULL for entry in self.masked.typed}

    def form(self, dense: bool) -> PreparedGraph:
        """The graph of a dense or a masked run."""
        return self.dense if dense else self.masked

    def grid(self, height: int, width: int) -> Grid:
        """The padded size of an image.

        Raises:
            LimitError: too many pixels for 32-bit pixel numbers.
        """
        rows, columns = self._padding.size(height, width)
        if any(
            (size.of(rows) + 2) * (size.of(columns) + 2) > _MAX_PIXEL_NUMBER for size in self._resolutions
        ):
            raise LimitError(f"an image of {width} x {height} pixels is too large to upscale in one piece")
        return Grid(rows, columns, self.facts.scale)

    def plan(self, grid: Grid, options: PlanOptions) -> ExecutionPlan:
        """The plan for one image size.

        Raises:
            UsageError: ``band_rows`` is less than 1.
        """
        if options.band_rows is not None and options.band_rows < 1:
            raise UsageError(f"band_rows must be at least 1, got {options.band_rows}")
        rows = options.band_rows or self.default_band_rows(grid)
        key = (grid, replace(options, band_rows=rows))
        with self._lock:
            plan = self._plans.get(key)
        if plan is None:
            # Without the lock: a plan for a large image takes a second, for which runs on others need not wait.
            plan = self._make(grid, rows, options)
        with self._lock:
            plan = self._plans.setdefault(key, plan)
            self._plans.move_to_end(key)
            if len(self._plans) > _PLANS_KEPT:
                self._plans.popitem(last=False)
        return plan

    def _make(self, grid: Grid, rows: int, options: PlanOptions) -> ExecutionPlan:
        form = self.form(options.dense)
        return make_execution_plan(
            form.typed, grid, rows, options.low_memory, self.layout, form.types, options.masks_first
        )

    def buffer_bytes(self, grid: Grid, options: PlanOptions) -> int:
        """Bytes of all buffers of a run, from the plan of a lower image if possible."""
        rows = options.band_rows or self.default_band_rows(grid)
        plan = self.plan(self._shortened(grid, rows), replace(options, band_rows=rows))
        return plan.nbytes_at(grid.height)

    def default_band_rows(self, grid: Grid) -> int:
        """LR rows that fill `BAND_BYTES`, rounded down to a multiple of two and of the model's size multiple."""
        rows = BAND_BYTES // max(self._band_row_bytes(entry, grid) for entry in self._maps)
        multiple = lcm(self.facts.size_multiple, 2)
        return max(MIN_BAND_ROWS, rows // multiple * multiple)

    def _band_row_bytes(self, entry: TypedNode, grid: Grid) -> int:
        """Bytes of a map per LR row, of at most 64 channels: as many as kernels read together."""
        rows, columns = grid.size(entry.output)
        stride = self.layout.stride(min(entry.output.channels, 64))
        return (
            -(-rows // grid.height)
            * (columns + 2)
            * stride
            * type_of(entry.node.output, self.masked.types).value_bytes
        )

    def _shortened(self, grid: Grid, band_rows: int) -> Grid:
        """A lower image with rolling windows of the same size: after a few bands the wavefront advances evenly."""
        settled = (32 + 2 * len(self.masked.typed) // band_rows) * band_rows
        if band_rows % lcm(self.facts.size_multiple, 2) or grid.height <= settled + band_rows:
            return grid
        return Grid(settled + grid.height % band_rows, grid.width, grid.scale)
