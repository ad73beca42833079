"""Executes a plan for one image: segment by segment, band by band, node by node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsesr.errors import CancelledError
from sparsesr.modelfile.operations.registry import mask_of, operation_of
from sparsesr.modelfile.operations.value_types import Kind, TypedNode
from sparsesr.modelfile.spec import Node
from sparsesr.runtime.backend.interface import F32, Image, Layer, RunState
from sparsesr.runtime.changed_run import ChangedRun
from sparsesr.runtime.plan.execution_plan import ExecutionPlan, PlannedSegment
from sparsesr.runtime.plan.schedule import Step

Progress = Callable[[int, int], None]


@dataclass
class Execution:
    """One run on one image."""

    plan: ExecutionPlan
    state: RunState
    layers: Mapping[str, Layer[Any]]
    output: str
    """Name of the tensor that becomes the result."""
    result: Image
    given_vectors: Mapping[str, F32]
    """Vectors to use instead of computing them, by tensor name."""
    progress: Progress | None
    cancelled: Callable[[], bool] | None
    keep_masks: bool
    ms: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict[str, "NDArray[np.bool_]"])
    densities: dict[str, float] = field(default_factory=dict[str, float])
    clock: Callable[[], float] = perf_counter
    """Seconds; times the layers."""
    changed: ChangedRun | None = None
    """What to compute of an image of which a part has changed; `result` is kept elsewhere. None: everything."""

    def run(self) -> None:
        """Fill the result.

        Raises:
            CancelledError: `cancelled` returned True before a band.
        """
        segments = self.plan.segments
        height = self.plan.grid.height
        for index, planned in enumerate(segments):
            self._begin(planned)
            if self.changed is not None:
                self.changed.begin(index, self.state)
            for band in planned.bands:
                if self.cancelled is not None and self.cancelled():
                    raise CancelledError("cancelled while the image was being upscaled")
                self._advance(planned.segment.nodes, band.steps)
                if self.progress is not None:
                    self.progress(index * height + band.end, len(segments) * height)
            self._end(planned)

    def _begin(self, planned: PlannedSegment) -> None:
        """Compute the vector nodes, then prepare empty maps and masks."""
        for entry in planned.segment.vector_nodes:
            start = self.clock()
            self._compute_vector(entry.node.output)
            self.ms[entry.node.output] += (self.clock() - start) * 1000
        self.state.begin(planned)
        for entry in planned.segment.nodes:
            self.layers[entry.node.output].begin(self.state)

    def _compute_vector(self, name: str) -> None:
        given = self.given_vectors.get(name)
        if given is None:
            self.layers[name](self.state, 0, 1)
        else:
            self.state.vectors[name] = given

    def _advance(self, nodes: Sequence[TypedNode], steps: Sequence[Step]) -> None:
        clock, ms = self.clock, self.ms
        for step in steps:
            start = clock()
            entry = nodes[step.node]
            name = entry.node.output
            self._step(name, step)
            if step.is_last:
                self.state.finish(name)
            if not operation_of(entry.node).is_by_product:
                ms[name] += (clock() - start) * 1000

    def _step(self, name: str, step: Step) -> None:
        self.state.make_room(name, step.keep, step.r1)
        if self.changed is not None and not self.changed.needs(name, step.r0, step.r1):
            return
        if name == self.output:
            self.layers[name].store(self.state, step.r0, step.r1, self.result)
        else:
            self.layers[name](self.state, step.r0, step.r1)

    def _end(self, planned: PlannedSegment) -> None:
        """Finish means, and record the masks before their memory is reused."""
        for entry in planned.segment.nodes:
            self.layers[entry.node.output].end(self.state)
            if entry.output.kind is Kind.MASK:
                self._note_mask(entry.node.output)
            self._note_reached(entry.node)

    def _note_reached(self, node: Node) -> None:
        mask_reach, name = operation_of(node).mask_reach, mask_of(node)
        if mask_reach is not None and name is not None and name not in self.densities:
            pixels = self.state.reached_pixels(node.inputs[0], mask_reach(node))
            self.densities[name] = pixels / self.plan.grid.pixels

    def _note_mask(self, name: str) -> None:
        grid = self.plan.grid
        self.densities[name] = self.state.active_pixels(name) / grid.pixels
        if self.keep_masks:
            height, width = (side // grid.scale for side in self.result.shape[:2])
            self.masks[name] = self.state.mask_image(name, height, width)
