"""Base class and weights of the native backend's layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import UserDict
from collections.abc import Mapping, Sequence

from sparsesr import _native
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.backend.interface import F32, Image
from sparsesr.runtime.backend.native.run_state import NativeRunState
from sparsesr.runtime.graph.number_types import MapType
from sparsesr.runtime.graph.quantised_copies import QuantisedCopy
from sparsesr.runtime.graph.zero_fill import MaskZeros


class Weights(UserDict[str, F32]):
    """The tensors of one node, by role."""

    def __init__(
        self,
        arrays: Mapping[str, F32],
        inputs: Sequence[MapType],
        output: MapType,
        zeros: MaskZeros,
        copy: QuantisedCopy | None,
    ) -> None:
        super().__init__(arrays)
        self.dtype = inputs[0].name if inputs else "f32"
        """Type of the maps that they are multiplied with: ``f32``, ``bf16`` or ``u8``."""
        self.steps = [of_input.steps for of_input in inputs if of_input.steps is not None]
        """Steps of these maps if they are quantised; otherwise empty."""
        self.out_steps = output.steps
        """Those of the output, if it is quantised."""
        self.zeros = zeros
        """For a masked operation: zeros at inactive pixels."""
        self.quantised_copy = copy
        """That of the output, if there is one."""


class NativeLayer(ABC):
    """A node with packed weights; see :class:`sparsesr.runtime.backend.interface.Layer`."""

    _output: str
    writes_copies = False
    """Whether the layer writes the quantised copy of its output, in the same pass."""

    @abstractmethod
    def __init__(self, entry: TypedNode, weights: Weights) -> None: ...

    def begin(self, state: NativeRunState) -> None:  # noqa: B027 - most layers have nothing to prepare
        """Prepare for the first row of a segment."""

    @abstractmethod
    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""

    def store(self, state: NativeRunState, r0: int, r1: int, result: Image) -> None:
        """Compute rows [r0, r1) and convert them, but for those that padding added."""
        self(state, r0, r1)
        first, end = (min(r, result.shape[0]) for r in (r0, r1))
        _native.store_rows(*state.placed(self._output), result, first, end, state.threads)

    def end(self, state: NativeRunState) -> None:  # noqa: B027 - or to finish
        """Finish results that need all rows."""
