"""Runs a model on pictures, exactly: whatever the bands, threads and buffers, the bits are the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import lcm
from time import perf_counter
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparsesr.errors import LimitError, UsageError
from sparsesr.limits import MEBIBYTE
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.operations.value_types import FULL, Kind, TypedNode
from sparsesr.modelfile.spec import ModelFile
from sparsesr.modelfile.validation import type_graph
from sparsesr.processor import usable_threads
from sparsesr.runtime.arguments import checked_attention, checked_image, mask_bias, result_dtype
from sparsesr.runtime.buffers import F32, ArenaPool
from sparsesr.runtime.executor import Execution
from sparsesr.runtime.fusion import with_fused_activations
from sparsesr.runtime.layers import Layer, make_layer
from sparsesr.runtime.outside import Surroundings, surroundings
from sparsesr.runtime.plan import Grid, Plan, make_plan, stride_of, value_bytes_of
from sparsesr.runtime.precision import bf16_maps, choose, input_dtype
from sparsesr.runtime.run_state import Image, RunState
from sparsesr.runtime.segments import is_vector_node, without_masks
from sparsesr.runtime.stats import Stats, make_stats

BAND_BYTES = 4 * MEBIBYTE
"""Size of a band of the widest map: lower bands stay in nearer caches, but cost more calls, and threads wait
for each other after each of them."""
MIN_BAND_ROWS = 4
MAX_THREADS = 256
"""The kernels' own limit."""
_PLANS_KEPT = 16
_MAX_PIXEL_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class RunResult:
    """An enlarged picture, and what happened on the way."""

    image: Image
    """(scale * H, scale * W, 3)."""
    stats: Stats
    masks: list[NDArray[np.bool_]] | None
    """With ``keep_masks``: active pixels (H, W) of every mask, in execution order."""
    attention: dict[str, F32]
    """Vectors of channel attention that were used, by tensor name."""


class Session:
    """A model that is ready to run. Any number of threads may call :meth:`run` at the same time."""

    def __init__(
        self,
        model: ModelFile,
        threads: int | None = None,
        precision: str = "fp32",
        *,
        emulate_bf16: bool = False,
    ) -> None:
        """Prepare a model; its weights are packed at the first run.

        Args:
            model: the model; of one for several scales, its own scale is run (see :meth:`ModelFile.at_scale`).
            threads: threads that the kernels of one run use; None: the processors this process may use.
            precision: ``fp32``, ``bf16`` (maps and products in bf16, sums in fp32, where the processor has the
                instructions) or ``auto`` (bf16 where it is faster and the model file says that it keeps the
                quality); :attr:`precision` says which it became, :attr:`precision_reason` why.
            emulate_bf16: bf16 even without the instructions, slowly: to measure what it costs.

        Raises:
            ModelError: the graph is not valid.
            UsageError: `threads` is out of range, or no such precision.
        """
        if threads is not None and not 1 <= threads <= MAX_THREADS:
            raise UsageError(f"threads must be 1 to {MAX_THREADS}, got {threads}")
        self.model = model = model.at_scale()
        self.threads = threads or min(usable_threads(), MAX_THREADS)
        shapes = {name: tensor.shape for name, tensor in model.tensors.items()}
        self._typed = with_fused_activations(type_graph(model.graph, shapes), model.graph.output)
        self._typed_dense = without_masks(self._typed, model.graph.output)
        self._surroundings = surroundings(self._typed, model.graph.output)
        self._bf16, self._bf16_dense = (bf16_maps(t) for t in (self._typed, self._typed_dense))
        choice = choose(
            precision, model.facts.bf16_cost, has_bf16_layers=bool(self._bf16), emulate=emulate_bf16
        )
        self.wanted_precision, self.precision, self.precision_reason = precision, *vars(choice).values()
        if choice.precision == "fp32":
            self._bf16 = self._bf16_dense = frozenset[str]()
        #: No map may be empty: smaller pictures are padded to this size.
        self._least_px = max((entry.output.resolution or FULL).down for entry in self._typed)
        self._lock = threading.Lock()
        self._layers: dict[tuple[str, str, str], Layer] = {}
        self._plans: OrderedDict[tuple[Grid, int, bool, bool], Plan] = OrderedDict()
        self._arenas = ArenaPool()

    def run(
        self,
        image: Image,
        *,
        out_dtype: DTypeLike | None = None,
        dense: bool = False,
        effort: float | None = None,
        keep_masks: bool = False,
        attention: Mapping[str, NDArray[Any]] | None = None,
        band_rows: int | None = None,
        low_memory: bool = False,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> RunResult:
        """Enlarge a picture.

        Args:
            image: (H, W, 3), RGB: uint8, uint16, or float32 in 0..1. Any size from 1 x 1; it is padded to
                the model's ``size_multiple`` (and least size) by repeating its edge, and the result is cropped.
            out_dtype: type of the result; None: that of `image`. Float results are not clipped.
            dense: compute every pixel in full; masks are then not computed at all.
            effort: None: the masks as learned. 0..1: fewer or more pixels; adds ``8 * (effort - 0.5)`` to
                the logit of "active", so that 0.5 is as learned too.
            keep_masks: return the masks.
            attention: vectors to use for channel attention, by tensor name, e.g. those of another run.
            band_rows: LR rows to advance at a time; None: what suits the cache. Never changes the result.
            low_memory: compute the first layers again where their maps are needed again. Same result.
            progress: called after each band with (rows done, rows in all); rows count once per pass.
            cancelled: asked before each band; True stops the run.

        Raises:
            UsageError: an argument has an impossible value.
            LimitError: the picture has too many pixels for 32-bit pixel numbers.
            CancelledError: `cancelled` returned True.
        """
        start = perf_counter()
        source = checked_image(image)
        bias = mask_bias(effort, dense)
        given = checked_attention(self._typed, attention or {})
        grid = self._grid(*source.shape[:2])
        plan = self._plan(grid, band_rows, low_memory, dense)
        scale = grid.scale
        result = np.empty(
            (scale * source.shape[0], scale * source.shape[1], 3), result_dtype(out_dtype, source)
        )
        layers = self._ready_layers(dense)
        with self._arenas.lend(plan) as arena:
            execution = Execution(
                RunState(source, grid, self.threads, bias),
                arena,
                layers,
                self.model.tensors,
                self.model.graph.output,
                cast("Image", result),
                given,
                progress,
                cancelled,
                keep_masks,
            )
            execution.run()
        return self._finished(execution, (perf_counter() - start) * 1000, dense)

    def peak_bytes(
        self,
        height: int,
        width: int,
        in_dtype: DTypeLike = np.uint8,
        out_dtype: DTypeLike | None = None,
        low_memory: bool = False,
        *,
        band_rows: int | None = None,
    ) -> int:
        """Bytes that :meth:`run` allocates for a picture of this size, without allocating them.

        The result is included, the input and the packed weights are not.
        """
        grid = self._grid(height, width)
        rows = band_rows or self._default_band_rows(grid)
        plan = self._plan(self._shortened(grid, rows), rows, low_memory, False)
        item = np.dtype(in_dtype if out_dtype is None else out_dtype).itemsize
        return plan.nbytes_at(grid.height) + 3 * item * grid.scale**2 * height * width

    @property
    def idle_bytes(self) -> int:
        """Buffers held for later runs."""
        return self._arenas.idle_bytes

    def keep_buffers(self, limit: int) -> None:
        """Bound the buffers held for later runs, 512 MiB at first; what is over `limit` bytes is given back at once.

        While a run is on, its own buffers count too. A run that needs more than `limit` gets it.
        """
        self._arenas.keep(limit)

    def _grid(self, height: int, width: int) -> Grid:
        facts = self.model.facts
        multiple, least = facts.size_multiple, self._least_px
        rows, columns = (-(-max(side, least) // multiple) * multiple for side in (height, width))
        sizes = {entry.output.resolution or FULL for entry in self._typed}
        if any((size.of(rows) + 2) * (size.of(columns) + 2) > _MAX_PIXEL_NUMBER for size in sizes):
            raise LimitError(f"a picture of {width} x {height} pixels is too large to enlarge in one piece")
        return Grid(rows, columns, facts.scale)

    def _shortened(self, grid: Grid, band_rows: int) -> Grid:
        """A lower picture whose rolling windows are as large: the wavefront soon moves evenly."""
        settled = (32 + 2 * len(self._typed) // band_rows) * band_rows
        if band_rows % lcm(self.model.facts.size_multiple, 2) or grid.height <= settled + band_rows:
            return grid
        return Grid(settled + grid.height % band_rows, grid.width, grid.scale)

    def _plan(self, grid: Grid, band_rows: int | None, low_memory: bool, dense: bool) -> Plan:
        """The plan for one size of picture; the latest are kept."""
        if band_rows is not None and band_rows < 1:
            raise UsageError(f"band_rows must be at least 1, got {band_rows}")
        rows = band_rows or self._default_band_rows(grid)
        key = (grid, rows, low_memory, dense)
        with self._lock:
            if key not in self._plans:
                typed = self._typed_dense if dense else self._typed
                self._plans[key] = make_plan(typed, grid, rows, low_memory, self._bf16_of(dense))
            self._plans.move_to_end(key)
            if len(self._plans) > _PLANS_KEPT:
                self._plans.popitem(last=False)
            return self._plans[key]

    def _default_band_rows(self, grid: Grid) -> int:
        """As many rows as fill the cache, a multiple of the model's size multiple and of two."""
        maps = [entry for entry in self._typed if entry.output.kind is Kind.MAP]
        row_bytes = max(_band_row_bytes(entry, grid, self._bf16) for entry in maps)
        rows = BAND_BYTES // row_bytes
        multiple = lcm(self.model.facts.size_multiple, 2)
        return max(MIN_BAND_ROWS, rows // multiple * multiple)

    def _ready_layers(self, dense: bool) -> dict[str, Layer]:
        """Layers by output; what has been packed once is used by all runs."""
        with self._lock:
            bf16 = self._bf16_of(dense)
            return {entry.node.output: self._layer(entry, bf16) for entry in self._streamed(dense)}

    def _streamed(self, dense: bool) -> list[TypedNode]:
        typed = self._typed_dense if dense else self._typed
        return [entry for entry in typed if not is_vector_node(entry)]

    def _bf16_of(self, dense: bool) -> frozenset[str]:
        return self._bf16_dense if dense else self._bf16

    def _layer(self, entry: TypedNode, bf16: frozenset[str]) -> Layer:
        dtype = input_dtype(entry, bf16)
        key = (entry.node.output, entry.node.op, dtype)
        if key not in self._layers:
            around = self._surroundings.get(entry.node.output, Surroundings())
            self._layers[key] = make_layer(entry, self.model.tensors, dtype, around)
        return self._layers[key]

    def _finished(self, execution: Execution, total_ms: float, dense: bool) -> RunResult:
        grid = execution.state.grid
        size = (grid.height, grid.width)
        stats = make_stats(self.model, self._typed, size, execution.densities, execution.ms, total_ms)
        masks = None
        if execution.keep_masks:
            names = mask_names(self.model.graph)
            shape = tuple(side // grid.scale for side in execution.result.shape[:2])
            masks = [np.ones(shape, np.bool_) if dense else execution.masks[name] for name in names]
        ca = {entry.node.output for entry in self._typed if is_vector_node(entry)}
        vectors = {name: vector for name, vector in execution.state.vectors.items() if name in ca}
        return RunResult(execution.result, stats, masks, vectors)


def _band_row_bytes(entry: TypedNode, grid: Grid, bf16: frozenset[str]) -> int:
    """Bytes of a map per LR row, as far as kernels read them together: 64 channels at most."""
    rows, columns = grid.size(entry.output)
    stride = stride_of(min(entry.output.channels, 64))
    return -(-rows // grid.height) * (columns + 2) * stride * value_bytes_of(entry, bf16)
