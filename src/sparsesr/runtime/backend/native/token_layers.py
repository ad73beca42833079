"""Layers of transformers: pixels as tokens, attention, and the return to full resolution."""

from __future__ import annotations

from sparsesr import _native
from sparsesr.modelfile.operations.attributes import EPSILON, HEADS, SCORE_SCALE, SEGMENTS
from sparsesr.modelfile.operations.segment_attention import segment_tokens
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.backend.native.layer import NativeLayer, Weights
from sparsesr.runtime.backend.native.run_state import NativeRunState


class Bilinear(NativeLayer):
    """Bilinear upscaling to the size of a second map, whose values are not read."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        self._input, self._output = entry.node.inputs[0], entry.node.output
        self._type, self._out_type = entry.inputs[0], entry.output

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        (height, _), (out_height, _) = state.grid.size(self._type), state.grid.size(self._out_type)
        _native.bilinear_rows(x, x_row0, height, out, row0, out_height, r0, r1, state.threads)


class Unfold(NativeLayer):
    """Copies each pixel's 3x3 neighbourhood into its channels."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        self._channels = entry.inputs[0].channels

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        _native.unfold3x3_rows(x, x_row0, self._channels, out, row0, r0, r1, state.threads)


class Fold(NativeLayer):
    """Adds 3x3 neighbourhoods back into pixels; the transpose of `Unfold`."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        self._channels = entry.output.channels

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        _native.fold3x3_rows(x, x_row0, self._channels, out, row0, r0, r1, state.threads)


class LayerNorm(NativeLayer):
    """Normalises the channels of each pixel."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        self._weight, self._bias = weights["weight"], weights["bias"]
        self._epsilon = EPSILON.of(entry.node)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        _native.layer_norm_rows(
            x, x_row0, self._weight, self._bias, self._epsilon, out, row0, r0, r1, state.threads
        )


class SegmentAttention(NativeLayer):
    """Attention within segments of tokens; reads a whole map."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        node = entry.node
        (self._input,), self._output, self._type = node.inputs, node.output, entry.inputs[0]
        self._heads, self._segments, self._scale = HEADS.of(node), SEGMENTS.of(node), SCORE_SCALE.of(node)
        self._head_channels = entry.output.channels // self._heads

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        qkv, qkv_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        height, width = state.grid.size(self._type)
        _native.segment_attention_rows(
            qkv,
            qkv_row0,
            height,
            self._heads,
            self._head_channels,
            segment_tokens(height * width, self._segments),
            self._scale,
            out,
            row0,
            r0,
            r1,
            state.threads,
        )
