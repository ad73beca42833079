"""A session runs a model on images; bands, threads and buffers never change a bit of the result."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sparsesr.errors import MemoryShortError, UsageError
from sparsesr.forked import RenewedLock
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import ModelFile
from sparsesr.processor import usable_threads
from sparsesr.runtime.arguments import checked_attention, checked_image, mask_bias, result_dtype
from sparsesr.runtime.backend.arena_pool import ArenaPool
from sparsesr.runtime.backend.interface import F32, Backend, Image, Layer, Waits
from sparsesr.runtime.backend.native.backend import NATIVE
from sparsesr.runtime.changed_run import ChangedRun, KeptResult
from sparsesr.runtime.executor import Execution
from sparsesr.runtime.graph.changed_parts import changed_parts
from sparsesr.runtime.graph.joined_sums import with_joined_int8_sums
from sparsesr.runtime.graph.number_types import type_of
from sparsesr.runtime.graph.precision_work import precision_work
from sparsesr.runtime.graph.prepared import PreparedGraph, fused_graph, prepared
from sparsesr.runtime.graph.segments import is_vector_node
from sparsesr.runtime.graph.zero_fill import MaskZeros
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.planner import Planner, PlanOptions
from sparsesr.runtime.precision import choose_precision
from sparsesr.runtime.stats import RunCosts, Stats, Timing

MAX_THREADS = 256
"""Limit of the kernels."""
_RESTS = ("fp32", "bf16")


@dataclass(frozen=True)
class RunResult:
    """An upscaled image with statistics, masks and attention vectors of the run."""

    image: Image
    """(scale * H, scale * W, 3)."""
    stats: Stats
    masks: list[NDArray[np.bool_]] | None
    """With ``keep_masks``: every mask (H, W), True at active pixels, in execution order; otherwise None."""
    attention: dict[str, F32]
    """Channel attention vectors that were used, by tensor name."""


class Session:
    """A model ready to run. Any number of threads may call :meth:`run` concurrently."""

    def __init__(
        self,
        model: ModelFile,
        threads: int | None = None,
        precision: str = "fp32",
        *,
        rest: str | None = None,
        emulate: bool = False,
        backend: Backend[Any] = NATIVE,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """Prepare a model; weights are packed at the first run.

        Args:
            model: the model; one for several scales runs at its own scale (see :meth:`ModelFile.at_scale`).
            threads: threads that the kernels of one run use; None: one per processor available to this process.
            precision: ``fp32``, ``bf16`` (maps and products in bf16, sums in fp32, if the processor has the
                instructions), ``int8`` (maps between the convolutions for which the file has scales in 8 bits,
                likewise) or ``auto`` (the fastest of which the model file says that it keeps the quality);
                the choice is in :attr:`precision`, its reason in :attr:`precision_reason`.
            rest: precision of what has no scales in a network that runs in int8, ``fp32`` or ``bf16``; None: bf16 where
                the processor multiplies it much faster, unless `emulate` is set. Networks in other precisions ignore
                it.
            emulate: allow bf16 and int8 without the instructions; slow, for measuring their quality.
            backend: executes the runs.
            clock: returns seconds, for all times in the statistics. ``time.process_time`` leaves out what other
                processes take from a run of one thread.

        Raises:
            ModelError: the graph is not valid.
            UsageError: `threads` is out of range, the precision or that of the rest is unknown, or the file has no
                scales for int8.
        """
        if threads is not None and not 1 <= threads <= MAX_THREADS:
            raise UsageError(f"threads must be 1 to {MAX_THREADS}, got {threads}")
        if rest not in (None, *_RESTS):
            raise UsageError(f"rest must be one of {', '.join(_RESTS)}, not {rest}")
        self.model = model = model.at_scale()
        self.threads = threads or min(usable_threads(), MAX_THREADS)
        fused = fused_graph(model)
        choice = choose_precision(precision, model.facts, precision_work(model, fused), emulate=emulate)
        self.wanted_precision = precision
        self.precision, self.precision_reason = choice.precision, choice.reason
        self.rest = rest if rest is not None and choice.precision == "int8" else choice.rest
        self._tensors = model.tensors
        if self.precision == "int8" and self.rest == "fp32":
            # Not beside bf16: a sum in bf16 takes half the memory of the quantised maps.
            joined = with_joined_int8_sums(model)
            fused, self._tensors = fused_graph(joined), joined.tensors
        masked, dense = prepared(fused, model.graph.output, self.precision, self.rest)
        self._backend, self._clock = backend, clock
        self._planner = Planner(model.facts, masked, dense, backend.layout)
        #: Vectors that callers may supply, with their lengths.
        self._attention = {e.node.output: e.output.channels for e in masked.typed if is_vector_node(e)}
        self._parts = changed_parts(masked.typed, model.graph.output)
        self._lock = RenewedLock()
        self._layers: dict[tuple[Any, ...], Layer[Any]] = {}
        self._ready: dict[bool, dict[str, Layer[Any]]] = {}
        self._latest_costs: dict[bool, tuple[Grid, RunCosts]] = {}
        self._arenas = ArenaPool(backend)

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
        """Upscale an image.

        Args:
            image: (H, W, 3), RGB: uint8, uint16, or float32 in 0..1. Any size from 1 x 1; it is padded to
                the model's ``size_multiple`` (and minimum size) by repeating its edge, and the result is cropped.
            out_dtype: dtype of the result; None: that of `image`. Float results are not clipped.
            dense: compute every pixel in full, without computing masks.
            effort: None: the masks as learned. 0..1: fewer or more active pixels; adds ``8 * (effort - 0.5)``
                to the logit of "active", so 0.5 means as learned.
            keep_masks: return the masks.
            attention: channel attention vectors to use, by tensor name, e.g. from another run.
            band_rows: LR rows to advance at a time; None: chosen for the cache. Never changes the result.
            low_memory: recompute the first layers instead of keeping their maps. Never changes the result.
            progress: called after each band with (rows done, total rows); each pass over the image counts its rows.
            cancelled: called before each band; True stops the run.

        Raises:
            UsageError: an argument has an invalid value.
            LimitError: the image has too many pixels for 32-bit pixel numbers.
            MemoryShortError: the system refuses memory.
            CancelledError: `cancelled` returned True.
        """
        start, waited = self._clock(), self._backend.waits()
        with _enough_memory(image):
            source, options = checked_image(image), PlanOptions(dense, low_memory, band_rows)
            bias = mask_bias(effort, dense)
            given = checked_attention(self._attention, attention or {})
            plan = self._planner.plan(self._planner.grid(*source.shape[:2]), options)
            rows, columns = (plan.grid.scale * side for side in source.shape[:2])
            result = cast("Image", np.empty((rows, columns, 3), result_dtype(out_dtype, source)))
            layers = self._ready_layers(dense)
            with self._arenas.lend(plan) as arena:
                execution = Execution(
                    plan,
                    arena.start(source, self.threads, bias),
                    layers,
                    self.model.graph.output,
                    result,
                    given,
                    progress,
                    cancelled,
                    keep_masks,
                    clock=self._clock,
                )
                execution.run()
            return self._finished(execution, self._timing(start, waited), dense)

    def computes_parts(self, height: int, width: int) -> bool:
        """True if :meth:`run_changed` can compute images of this size, which must need no padding."""
        grid = self._planner.grid(height, width)
        return self._parts is not None and (grid.height, grid.width) == (height, width)

    def run_changed(
        self,
        image: Image,
        changed: NDArray[np.bool_],
        kept: KeptResult,
        *,
        effort: float | None = None,
        low_memory: bool = False,
        cancelled: Callable[[], bool] | None = None,
    ) -> ChangedRun:
        """Update the kept result of an image that has changed in some pixels: the same bits as a run on all of it.

        Args:
            image: the image as it is now, of a size and dtype as before (see :meth:`computes_parts`).
            changed: (H, W), True at the pixels that have changed.
            kept: result and mask of the image before, with the same effort; updated.
            effort: as for :meth:`run`.
            low_memory: likewise.
            cancelled: likewise.

        Raises:
            UsageError: the network or the size needs whole runs, or `effort` is invalid.
            MemoryShortError, CancelledError: as for :meth:`run`; ``kept`` is of no use afterwards.
        """
        with _enough_memory(image):
            source = checked_image(image)
            if self._parts is None or not self.computes_parts(*source.shape[:2]):
                raise UsageError("images of this size cannot be computed in parts by this network")
            plan = self._planner.plan(
                self._planner.grid(*source.shape[:2]), PlanOptions(low_memory=low_memory, masks_first=True)
            )
            part = ChangedRun(self._parts, kept, changed)
            with self._arenas.lend(plan) as arena:
                Execution(
                    plan,
                    arena.start(source, self.threads, mask_bias(effort, dense=False)),
                    self._ready_layers(dense=False),
                    self.model.graph.output,
                    kept.image,
                    {},
                    None,
                    cancelled,
                    keep_masks=False,
                    clock=self._clock,
                    changed=part,
                ).run()
            return part

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
        """Bytes that :meth:`run` would allocate for an image of this size.

        Includes the result, but neither the input nor the packed weights.
        """
        grid = self._planner.grid(height, width)
        buffers = self._planner.buffer_bytes(grid, PlanOptions(low_memory=low_memory, band_rows=band_rows))
        item = np.dtype(in_dtype if out_dtype is None else out_dtype).itemsize
        return buffers + 3 * item * grid.scale**2 * height * width

    def macs_between(self, height: int, width: int) -> tuple[int, int]:
        """Multiply-adds of masked runs on images of this size, padded: with no pixel active, and with all of them."""
        costs = self._costs(self._planner.grid(height, width), dense=False)
        return costs.macs_at(0.0), costs.macs_at(1.0)

    @property
    def idle_bytes(self) -> int:
        """Bytes of the buffers kept for later runs."""
        return self._arenas.idle_bytes

    def keep_buffers(self, limit: int) -> None:
        """Limit the buffers kept for later runs (512 MiB by default); frees any excess over `limit` bytes at once.

        Buffers in use by a run count too, but a run that needs more than `limit` still gets it.
        """
        self._arenas.keep(limit)

    def _ready_layers(self, dense: bool) -> dict[str, Layer[Any]]:
        """Layers by output; weights are packed once and shared by all runs."""
        with self._lock:
            if dense not in self._ready:
                form = self._planner.form(dense)
                self._ready[dense] = {entry.node.output: self._layer(entry, form) for entry in form.typed}
            return self._ready[dense]

    def _layer(self, entry: TypedNode, form: PreparedGraph) -> Layer[Any]:
        node = entry.node
        copy = form.copies.get(node.output)
        key = (node.output, node.op, copy, *(type_of(n, form.types) for n in (*node.inputs, node.output)))
        if key not in self._layers:
            zeros = form.zeros.get(node.output, MaskZeros())
            self._layers[key] = self._backend.make_layer(entry, self._tensors, form.types, zeros, copy)
        return self._layers[key]

    def _timing(self, start: float, waited: Waits) -> Timing:
        total_ms = (self._clock() - start) * 1000
        calls, shared_s, waiting_s = (b - a for a, b in zip(waited, self._backend.waits(), strict=True))
        return Timing(total_ms, int(calls), waiting_s * 1000, max(0.0, total_ms - shared_s * 1000))

    def _costs(self, grid: Grid, dense: bool) -> RunCosts:
        """Costs at the latest size of dense or of masked runs are kept."""
        kept = self._latest_costs.get(dense)
        if kept is None or kept[0] != grid:
            form = replace(self._planner.masked, types=self._planner.form(dense).types)
            kept = self._latest_costs[dense] = grid, RunCosts(self.model, form, grid.height, grid.width)
        return kept[1]

    def _finished(self, execution: Execution, timing: Timing, dense: bool) -> RunResult:
        grid = execution.plan.grid
        stats = self._costs(grid, dense).stats(execution.densities, execution.ms, timing)
        masks = None
        if execution.keep_masks:
            shape = tuple(side // grid.scale for side in execution.result.shape[:2])
            names = mask_names(self.model.graph)
            masks = [np.ones(shape, np.bool_) if dense else execution.masks[name] for name in names]
        computed = execution.state.vectors
        attention = {name: computed[name] for name in self._attention if name in computed}
        return RunResult(execution.result, stats, masks, attention)


@contextmanager
def _enough_memory(image: Image) -> Generator[None, None, None]:
    """Raise MemoryShortError if the system refuses memory for anything that a run on an image does."""
    try:
        yield
    except MemoryError:
        height, width = image.shape[:2]
        raise MemoryShortError(
            f"not enough memory to upscale an image of {width} x {height} pixels in one piece",
            remedy="free some memory, or shrink the image",
        ) from None
