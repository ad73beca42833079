"""Layers on images, masks and vectors, sums, and changes of resolution."""

from __future__ import annotations

import numpy as np

from sparsesr import _native
from sparsesr.modelfile.operations.attributes import ACTIVATION, FACTORS, OFFSET, SCALE, SLOPE, TO_RESULT
from sparsesr.modelfile.operations.value_types import Kind, TypedNode
from sparsesr.runtime.backend import interface
from sparsesr.runtime.backend.interface import F32
from sparsesr.runtime.backend.native.layer import NativeLayer, Weights
from sparsesr.runtime.backend.native.run_state import NativeRunState


class Image(NativeLayer):
    """The input image minus its offset."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        self._output = entry.node.output
        self._offset = np.array(OFFSET.of(entry.node), np.float32)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        out, row0 = state.placed(self._output)
        grid = state.grid
        _native.image_rows(
            state.image, self._offset, out, row0, r0, r1, grid.height, grid.width, state.threads
        )


class AvgPool(NativeLayer):
    """Means of 2x2 blocks."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        _native.avg_pool2x2_rows(
            *state.placed(self._input), *state.placed(self._output), r0, r1, state.threads
        )


class Deconv(NativeLayer):
    """A transposed convolution to twice the resolution."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        (self._type,) = entry.inputs
        self._packed = _native.PackedDeconv(weights["weight"], weights.get("bias"), weights.dtype)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        height, _ = state.grid.size(self._type)
        _native.conv_transpose2x_rows(self._packed, x, x_row0, height, out, row0, r0, r1, state.threads)


class SpatialMask(NativeLayer):
    """Lists of active pixels."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        state.masks[self._output].grow(*state.placed(self._input), r1, state.mask_bias, state.threads)


class UpsampledMask(NativeLayer):
    """Lists of active pixels from logits at half the resolution."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        (self._type,) = entry.inputs
        self._weights = _native.UpsampledMaskWeights(weights["weight"], weights.get("bias"))

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        height, _ = state.grid.size(self._type)
        mask = state.masks[self._output]
        mask.grow_upsampled(self._weights, x, x_row0, height, r1, state.mask_bias, state.threads)


class _Outside:
    """What a node reads outside a mask; nothing if it has none."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        kinds = [value.kind for value in entry.inputs]
        self._mask = entry.node.inputs[0] if kinds[0] is Kind.MASK else None
        channels = entry.inputs[kinds.index(Kind.MAP)].channels
        self._constants = weights.get("outside", np.zeros(channels, np.float32))

    def of(self, state: NativeRunState) -> tuple[_native.PixelMask, F32] | None:
        return None if self._mask is None else (state.masks[self._mask], self._constants)


class GlobalMean(NativeLayer):
    """Mean over a map: a sum per row, averaged after the last row."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        self._input, self._output = entry.node.inputs[-1], entry.node.output
        self._type, self._outside = entry.inputs[-1], _Outside(entry, weights)

    def begin(self, state: NativeRunState) -> None:
        """Allocate a sum per row."""
        rows, _ = state.grid.size(self._type)
        state.sums[self._output] = np.zeros((rows, self._type.channels), np.float64)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Sum rows [r0, r1) of the input."""
        sums, outside = state.sums[self._output], self._outside.of(state)
        _native.row_sums(*state.placed(self._input), r0, r1, sums, outside, state.threads)

    def end(self, state: NativeRunState) -> None:
        """Average the sums of all rows."""
        rows, columns = state.grid.size(self._type)
        sums = state.sums.pop(self._output)
        state.vectors[self._output] = (sums.sum(axis=0) / (rows * columns)).astype(np.float32)


class ChannelAttention(NativeLayer):
    """Two small fully connected layers on a vector."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        self._weights = tuple(weights[role] for role in ("w1", "b1", "w2", "b2"))

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute the vector."""
        state.vectors[self._output] = _native.channel_attention(state.vectors[self._input], *self._weights)


class ScaleAdd(NativeLayer):
    """A map times a vector, plus an optional residual map."""

    writes_copies = True

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        self._copy, self._outside = weights.quantised_copy, _Outside(entry, weights)
        maps = [
            name
            for name, value in zip(entry.node.inputs, entry.inputs, strict=True)
            if value.kind is not Kind.MASK
        ]
        self._input, self._vector, *residual = maps
        self._residual, self._output = residual[0] if residual else None, entry.node.output

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        scale = state.vectors[self._vector]
        residual = None if self._residual is None else state.placed(self._residual)
        copy, outside = state.placed_copy(self._copy), self._outside.of(state)
        _native.scale_add_rows(x, x_row0, scale, residual, out, row0, r0, r1, copy, outside, state.threads)


class Add(NativeLayer):
    """A weighted sum with an activation; ``slopes`` apply below zero only."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        node, channels = entry.node, entry.output.channels
        self._inputs, self._output = node.inputs, node.output
        self._factors = np.array(FACTORS.of(node) or [1.0] * len(node.inputs), np.float32)
        self._activation = ACTIVATION.of(node)
        self._slopes = weights.get("slopes", np.full(channels, SLOPE.of(node), np.float32))

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        inputs = [state.placed(name) for name in self._inputs]
        out, row0 = state.placed(self._output)
        _native.add_rows(
            inputs, self._factors, self._activation, self._slopes, out, row0, r0, r1, state.threads
        )


class PixelShuffle(NativeLayer):
    """Rearranges channels into blocks of pixels."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        self._input, *skip = entry.node.inputs
        self._scale, self._channels = SCALE.of(entry.node), entry.output.channels
        self._skip, self._output = skip[0] if skip else None, entry.node.output
        self._to_result = TO_RESULT.of(entry.node)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        skip = None if self._skip is None else state.placed(self._skip)
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        _native.pixel_shuffle_rows(
            x, x_row0, self._scale, self._channels, skip, out, row0, r0, r1, state.threads
        )

    def store(self, state: NativeRunState, r0: int, r1: int, result: interface.Image) -> None:
        """Compute rows of the result, in one pass if nothing else reads them; a skip is then yet to be enlarged."""
        if not self._to_result:
            return super().store(state, r0, r1, result)
        image = None if self._skip is None else state.placed(self._skip)
        first, end = (min(r, result.shape[0]) for r in (r0, r1))
        x, x_row0 = state.placed(self._input)
        pixels = state.listed(self._output)
        _native.image_ending_rows(
            x, x_row0, self._scale, image, state.grid.height, result, first, end, pixels, state.threads
        )
        return None


class Bicubic(NativeLayer):
    """Bicubic interpolation."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        (self._type,), self._scale = entry.inputs, SCALE.of(entry.node)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        height, _ = state.grid.size(self._type)
        _native.bicubic_rows(x, x_row0, height, self._scale, out, row0, r0, r1, state.threads)
