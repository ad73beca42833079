"""Layers of quantised copies, which other layers write."""

from __future__ import annotations

from sparsesr import _native
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.backend.native.layer import NativeLayer, Weights
from sparsesr.runtime.backend.native.run_state import NativeRunState
from sparsesr.runtime.graph.quantised_copies import QuantisedCopy


class WrittenByAnother(NativeLayer):
    """A copy, written by the layer of the map that is copied."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None: ...

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Do nothing."""


class WithCopy(NativeLayer):
    """A layer, followed by a pass over its rows that copies them."""

    def __init__(self, layer: NativeLayer, output: str, copy: QuantisedCopy) -> None:
        self._layer, self._output, self._copy = layer, output, copy

    def begin(self, state: NativeRunState) -> None:
        """Prepare for the first row of a segment."""
        self._layer.begin(state)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output and of its copy."""
        self._layer(state, r0, r1)
        placed = state.placed_copy(self._copy)
        if placed is not None:
            out, row0, steps = placed
            _native.quantise_rows(*state.placed(self._output), out, row0, r0, r1, steps, state.threads)

    def end(self, state: NativeRunState) -> None:
        """Finish results that need all rows."""
        self._layer.end(state)
