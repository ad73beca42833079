"""Interface of a backend: memory layout, buffers, state of a run, and layers that compute rows of maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.graph.number_types import MapTypes
from sparsesr.runtime.graph.quantised_copies import QuantisedCopy
from sparsesr.runtime.graph.zero_fill import MaskZeros
from sparsesr.runtime.pixel_sets import PixelSet
from sparsesr.runtime.plan.execution_plan import ExecutionPlan, PlannedSegment
from sparsesr.runtime.plan.map_layout import MapLayout

F32 = NDArray[np.float32]
Image = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


class RunState(Protocol):
    """The values of a run in progress."""

    vectors: dict[str, F32]
    """Computed vectors, by name."""

    def begin(self, planned: PlannedSegment) -> None:
        """Prepare empty maps and masks for a segment."""
        ...

    def make_room(self, name: str, keep: int, end: int) -> None:
        """Drop the rows before `keep` from a map's window; the rows up to `end` are written next."""
        ...

    def finish(self, name: str) -> None:
        """Mark a map as complete."""
        ...

    def active_pixels(self, mask: str) -> int:
        """Number of active pixels of a complete mask."""
        ...

    def reached_pixels(self, mask: str, reach: int) -> int:
        """Number of pixels within ``reach`` of an active one of a complete mask."""
        ...

    def mask_image(self, mask: str, height: int, width: int) -> NDArray[np.bool_]:
        """The top left `height` x `width` pixels of a complete mask."""
        ...

    def mask_pixels(self, mask: str) -> PixelSet:
        """The active pixels of a complete mask."""
        ...

    def set_mask(self, mask: str, active: PixelSet) -> None:
        """Replace a complete mask."""
        ...

    def compute_only(self, name: str, pixels: PixelSet, width: int) -> None:
        """Leave out all other pixels of a map, of this width, where the layer can; they may have any value."""
        ...


State = TypeVar("State")
State_co = TypeVar("State_co", covariant=True)
State_contra = TypeVar("State_contra", contravariant=True)


class Layer(Protocol[State_contra]):
    """A node ready to run; several threads may run it concurrently."""

    def begin(self, state: State_contra) -> None:
        """Prepare for the first row of a segment."""
        ...

    def __call__(self, state: State_contra, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output, as numbered by the schedule; a vector node has one row."""
        ...

    def store(self, state: State_contra, r0: int, r1: int, result: Image) -> None:
        """Compute rows [r0, r1) of the network's output and copy those within the result to it, in its dtype."""
        ...

    def end(self, state: State_contra) -> None:
        """Finish results that need all rows."""
        ...


class Arena(Protocol[State_co]):
    """The buffers of one run."""

    @property
    def plan(self) -> ExecutionPlan:
        """The plan that the buffers fit."""
        ...

    def start(self, image: Image, threads: int, mask_bias: float) -> State_co:
        """Start a run; `mask_bias` is added to the logit of "active"."""
        ...


Waits = tuple[int, float, float]
"""Calls shared by several threads, seconds in such calls, and seconds in which any of their threads waited."""


class Backend(Protocol[State]):
    """Executes plans."""

    def waits(self) -> Waits:
        """What the calling thread has waited for others since it started."""
        ...

    @property
    def layout(self) -> MapLayout:
        """Memory layout of maps."""
        ...

    def make_arena(self, plan: ExecutionPlan) -> Arena[State]:
        """Allocate the buffers of a plan."""
        ...

    def make_layer(
        self,
        entry: TypedNode,
        tensors: Mapping[str, F32],
        types: MapTypes,
        zeros: MaskZeros,
        copy: QuantisedCopy | None,
    ) -> Layer[State]:
        """Prepare a node; ``types`` are those of the network's maps that are not in fp32.

        The node writes ``copy``, too; the layer of the copy itself does nothing.
        """
        ...
