"""Entry point of the native backend."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sparsesr import _native
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.backend.interface import F32, Waits
from sparsesr.runtime.backend.native.arena import NativeArena
from sparsesr.runtime.backend.native.copies import WithCopy
from sparsesr.runtime.backend.native.layer import NativeLayer, Weights
from sparsesr.runtime.backend.native.layers import LAYERS
from sparsesr.runtime.backend.native.layout import NATIVE_LAYOUT
from sparsesr.runtime.graph.number_types import MapTypes, input_types, type_of
from sparsesr.runtime.graph.quantised_copies import QuantisedCopy
from sparsesr.runtime.graph.zero_fill import MaskZeros
from sparsesr.runtime.plan.execution_plan import ExecutionPlan


class NativeBackend:
    """Runs the kernels of ``sparsesr._native`` on this machine's processor."""

    layout = NATIVE_LAYOUT

    def waits(self) -> Waits:
        """What the calling thread has waited for others since it started."""
        return _native.thread_waits()

    def make_arena(self, plan: ExecutionPlan) -> NativeArena:
        """Allocate the buffers of a plan."""
        return NativeArena(plan)

    def make_layer(
        self,
        entry: TypedNode,
        tensors: Mapping[str, F32],
        types: MapTypes,
        zeros: MaskZeros,
        copy: QuantisedCopy | None,
    ) -> NativeLayer:
        """Prepare a node; ``types`` are those of the network's maps that are not in fp32."""
        arrays = {role: np.ascontiguousarray(tensors[name]) for role, name in entry.node.weights.items()}
        of_output = type_of(entry.node.output, types)
        layer = LAYERS[entry.node.op](
            entry, Weights(arrays, input_types(entry, types), of_output, zeros, copy)
        )
        return layer if copy is None or layer.writes_copies else WithCopy(layer, entry.node.output, copy)


NATIVE = NativeBackend()
