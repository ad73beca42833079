"""What a backend provides: a memory layout, buffers, the state of a run, and layers that compute rows of maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.graph.zero_fill import MaskZeros
from sparsesr.runtime.plan.execution_plan import ExecutionPlan, PlannedSegment
from sparsesr.runtime.plan.map_layout import MapLayout

F32 = NDArray[np.float32]
Image = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


class RunState(Protocol):
    """Values of one run, while it goes on."""

    vectors: dict[str, F32]
    """Vectors that have been computed, by name."""

    def begin(self, planned: PlannedSegment) -> None:
        """Make empty maps and masks for a segment."""
        ...

    def make_room(self, name: str, keep: int, done: int) -> None:
        """Forget the rows of a map before `keep`; rows before `done` have been written."""
        ...

    def finish(self, name: str) -> None:
        """Note that a map has all of its rows."""
        ...

    def store(self, name: str, result: Image, r0: int, r1: int) -> None:
        """Copy rows [r0, r1) of a map into the result, converted to its type."""
        ...

    def active_pixels(self, mask: str) -> int:
        """Active pixels of a whole mask."""
        ...

    def mask_image(self, mask: str, height: int, width: int) -> NDArray[np.bool_]:
        """A whole mask, of the top left `height` x `width` pixels."""
        ...


State = TypeVar("State")
State_co = TypeVar("State_co", covariant=True)
State_contra = TypeVar("State_contra", contravariant=True)


class Layer(Protocol[State_contra]):
    """A node that is ready to run; one may run in several threads at a time."""

    def begin(self, state: State_contra) -> None:
        """Prepare for the first row of a segment."""
        ...

    def __call__(self, state: State_contra, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output, counted as in the schedule; a vector from vectors is one row."""
        ...

    def end(self, state: State_contra) -> None:
        """Complete what needs all rows."""
        ...


class Arena(Protocol[State_co]):
    """All buffers of one run."""

    @property
    def plan(self) -> ExecutionPlan:
        """The plan that they were made for."""
        ...

    def start(self, image: Image, threads: int, mask_bias: float) -> State_co:
        """Begin a run; `mask_bias` is added to the logit of "active"."""
        ...


class Backend(Protocol[State]):
    """Carries plans out."""

    @property
    def layout(self) -> MapLayout:
        """How maps lie in memory."""
        ...

    def make_arena(self, plan: ExecutionPlan) -> Arena[State]:
        """Allocate the buffers of a plan."""
        ...

    def make_layer(
        self, entry: TypedNode, tensors: Mapping[str, F32], dtype: str, zeros: MaskZeros
    ) -> Layer[State]:
        """Prepare a node whose features are maps of type ``dtype``."""
        ...
