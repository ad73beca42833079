"""Samples of the values of feature maps while a network runs in fp32."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from math import gcd

import numpy as np

from sparsesr.modelfile.operations.registry import mask_of, operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.backend.interface import F32, Image, Layer, Waits
from sparsesr.runtime.backend.native.arena import NativeArena
from sparsesr.runtime.backend.native.backend import NATIVE
from sparsesr.runtime.backend.native.run_state import NativeRunState
from sparsesr.runtime.graph.number_types import MapTypes
from sparsesr.runtime.graph.quantised_copies import QuantisedCopy
from sparsesr.runtime.graph.zero_fill import MaskZeros
from sparsesr.runtime.plan.execution_plan import ExecutionPlan
from sparsesr.runtime.session import Session

_EVERY = 7
"""About one value in this many is kept."""


def observe(
    model: ModelFile,
    images: Sequence[Image],
    names: Collection[str],
    threads: int | None = None,
    *,
    dense: bool = False,
) -> Mapping[str, F32]:
    """Run a model on images and sample maps.

    Args:
        model: the model.
        images: (H, W, 3) each, as :meth:`Session.run` takes them.
        names: the maps to sample.
        threads: threads of the runtime; None: all processors.
        dense: compute every pixel in full.

    Returns:
        Values by map; of masked maps, those at active pixels.
    """
    backend = _ObservingBackend(frozenset(names))
    session = Session(model, threads, backend=backend)
    for image in images:
        session.run(image, dense=dense)
    return {name: np.concatenate(parts) for name, parts in backend.samples.items()}


class _ObservingBackend:
    """The native backend, which also samples maps right after their rows were computed."""

    layout = NATIVE.layout

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self.samples: dict[str, list[F32]] = defaultdict(list)

    def waits(self) -> Waits:
        """As of the native backend."""
        return NATIVE.waits()

    def make_arena(self, plan: ExecutionPlan) -> NativeArena:
        """Allocate the buffers of a plan."""
        return NATIVE.make_arena(plan)

    def make_layer(
        self,
        entry: TypedNode,
        tensors: Mapping[str, F32],
        types: MapTypes,
        zeros: MaskZeros,
        copy: QuantisedCopy | None,
    ) -> Layer[NativeRunState]:
        """Prepare a node."""
        layer = NATIVE.make_layer(entry, tensors, types, zeros, copy)
        name = entry.node.output
        return _ObservedLayer(layer, entry, self.samples[name]) if name in self._names else layer


class _ObservedLayer:
    """A layer whose results are sampled."""

    def __init__(self, layer: Layer[NativeRunState], entry: TypedNode, samples: list[F32]) -> None:
        self._layer, self._samples = layer, samples
        self._output, self._channels = entry.node.output, entry.output.channels
        #: No common divisor with the channels, so that all of them are sampled alike.
        self._every = next(step for step in count(_EVERY) if gcd(step, self._channels) == 1)
        masking = operation_of(entry.node).masking
        keeps_all = masking is None or masking.keeps_residual(entry.node)
        self._mask = None if keeps_all else mask_of(entry.node)

    def begin(self, state: NativeRunState) -> None:
        """Prepare for the first row of a segment."""
        self._layer.begin(state)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute and sample rows [r0, r1)."""
        self._layer(state, r0, r1)
        self._sample(state, r0, r1)

    def store(self, state: NativeRunState, r0: int, r1: int, result: Image) -> None:
        """Compute, convert and sample rows [r0, r1)."""
        self._layer.store(state, r0, r1, result)
        self._sample(state, r0, r1)

    def _sample(self, state: NativeRunState, r0: int, r1: int) -> None:
        window, first = state.placed(self._output)
        if self._mask is None:
            values = window[r0 - first : r1 - first, 1:-1, : self._channels].reshape(-1)
        else:
            pixels = state.masks[self._mask].active(r0, r1) - first * window.shape[1]
            values = window.reshape(-1, window.shape[2])[pixels, : self._channels].reshape(-1)
        self._samples.append(values[:: self._every].astype(np.float32))

    def end(self, state: NativeRunState) -> None:
        """Finish results that need all rows."""
        self._layer.end(state)
