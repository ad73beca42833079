"""Layers that make one map of another without a look at its size: depthwise convolution, repetition, sigmoid."""

from __future__ import annotations

import numpy as np

from sparsesr import _native
from sparsesr.modelfile.operations.attributes import ACTIVATION, SCALE, SLOPE
from sparsesr.modelfile.operations.depthwise_conv3x3 import TAPS
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.backend.interface import F32
from sparsesr.runtime.backend.native.layer import NativeLayer, Weights
from sparsesr.runtime.backend.native.layout import NATIVE_LAYOUT
from sparsesr.runtime.backend.native.run_state import NativeRunState


class DepthwiseConv(NativeLayer):
    """A 3x3 convolution of each channel by itself."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        node, channels = entry.node, entry.output.channels
        (self._input,), self._output = node.inputs, node.output
        self._activation = ACTIVATION.of(node)
        self._weights = _to_stride(weights["weight"].reshape(channels, TAPS).T)
        self._bias = _to_stride(weights.get("bias", np.zeros(channels, np.float32)))
        self._slopes = _to_stride(weights.get("slopes", np.full(channels, SLOPE.of(node), np.float32)))

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        _native.depthwise_conv3x3_rows(
            x,
            x_row0,
            self._weights,
            self._bias,
            self._activation,
            self._slopes,
            out,
            row0,
            r0,
            r1,
            state.threads,
        )


class Nearest(NativeLayer):
    """Repeats pixels."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        self._scale = SCALE.of(entry.node)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        _native.nearest_rows(x, x_row0, self._scale, out, row0, r0, r1, state.threads)


class Sigmoid(NativeLayer):
    """Sigmoid of every value."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        self._channels = entry.output.channels

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        _native.sigmoid_rows(x, x_row0, self._channels, out, row0, r0, r1, state.threads)


def _to_stride(values: F32) -> F32:
    """Values with channels last, and zeros for the channels that only fill a map's pixels."""
    missing = NATIVE_LAYOUT.stride(values.shape[-1]) - values.shape[-1]
    around = [(0, 0)] * (values.ndim - 1) + [(0, missing)]
    return np.ascontiguousarray(np.pad(values, around), np.float32)
