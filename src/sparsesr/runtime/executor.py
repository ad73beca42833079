"""Runs a plan on a picture: segment by segment, band by band, node by node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from sparsesr import _native
from sparsesr.errors import CancelledError
from sparsesr.modelfile.operations.value_types import Kind, TypedNode
from sparsesr.runtime.buffers import F32, Arena, Window, mask_image
from sparsesr.runtime.layers import Layer, attend
from sparsesr.runtime.plan import PlannedSegment
from sparsesr.runtime.run_state import Image, RunState
from sparsesr.runtime.schedule import total_rows

Progress = Callable[[int, int], None]


@dataclass
class Execution:
    """One run, from the picture to the result."""

    state: RunState
    arena: Arena
    layers: Mapping[str, Layer]
    tensors: Mapping[str, F32]
    output: str
    """The tensor that is the result."""
    result: Image
    given_vectors: Mapping[str, F32]
    """Vectors to use instead of those that the network would compute."""
    progress: Progress | None
    cancelled: Callable[[], bool] | None
    keep_masks: bool
    ms: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict[str, "NDArray[np.bool_]"])
    densities: dict[str, float] = field(default_factory=dict[str, float])

    def run(self) -> None:
        """Fill the result.

        Raises:
            CancelledError: `cancelled` said so before a band.
        """
        segments = self.arena.plan.segments
        height = self.state.grid.height
        for index, planned in enumerate(segments):
            self._begin(planned)
            for band in planned.bands:
                if self.cancelled is not None and self.cancelled():
                    raise CancelledError("cancelled while the picture was being enlarged")
                for step in band.steps:
                    self._step(planned.segment.nodes[step.node], step.r0, step.r1, step.keep)
                if self.progress is not None:
                    self.progress(index * height + band.end, len(segments) * height)
            self._end(planned)

    def _begin(self, planned: PlannedSegment) -> None:
        """Vectors from vectors, empty windows, empty lists."""
        state = self.state
        for entry in planned.segment.vector_nodes:
            start = perf_counter()
            self._attend(entry)
            self.ms[entry.node.output] += (perf_counter() - start) * 1000
        state.windows = {
            name: Window(self.arena.windows[place.buffer], place) for name, place in planned.places.items()
        }
        for entry in planned.segment.nodes:
            name = entry.node.output
            if entry.output.kind is Kind.MASK:
                state.masks[name] = self.arena.masks[planned.masks[name]]
                state.masks[name].clear()
            elif entry.output.kind is Kind.VECTOR:
                rows = total_rows(entry, state.grid.height)
                state.sums[name] = np.zeros((rows, entry.output.channels), np.float64)

    def _attend(self, entry: TypedNode) -> None:
        name = entry.node.output
        given = self.given_vectors.get(name)
        mean = self.state.vectors[entry.node.inputs[0]]
        self.state.vectors[name] = attend(entry, self.tensors, mean) if given is None else given

    def _step(self, entry: TypedNode, r0: int, r1: int, keep: int) -> None:
        start = perf_counter()
        name = entry.node.output
        window = self.state.windows.get(name)
        if window is not None:
            window.make_room(keep, r0)
        self.layers[name](self.state, r0, r1)
        if window is not None and r1 == total_rows(entry, self.state.grid.height):
            window.finish()
        if name == self.output:
            self._store(r0, r1)
        self.ms[name] += (perf_counter() - start) * 1000

    def _store(self, r0: int, r1: int) -> None:
        """Copy finished rows into the result, without those that padding added."""
        rows = self.result.shape[0]
        first, end = min(r0, rows), min(r1, rows)
        _native.store_rows(*self.state.placed(self.output), self.result, first, end, self.state.threads)

    def _end(self, planned: PlannedSegment) -> None:
        """Means, and what is to be known about the masks before their lists are used again."""
        grid = self.state.grid
        scale = grid.scale
        for entry in planned.segment.nodes:
            name = entry.node.output
            if entry.output.kind is Kind.VECTOR:
                sums, (rows, columns) = self.state.sums.pop(name), grid.size(entry.inputs[0])
                pixels = rows * columns
                self.state.vectors[name] = (sums.sum(axis=0) / pixels).astype(np.float32)
            elif entry.output.kind is Kind.MASK:
                mask = self.state.masks[name]
                self.densities[name] = mask.n_active / (grid.height * grid.width)
                if self.keep_masks:
                    shape = self.result.shape[0] // scale, self.result.shape[1] // scale
                    self.masks[name] = mask_image(mask, grid, *shape)
