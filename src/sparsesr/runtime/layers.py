"""How each op of a graph is run: one class per op, with its weights packed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from sparsesr import _native
from sparsesr.modelfile.operations.attributes import ACTIVATION, FACTORS, OFFSET, SCALE, SLOPE
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.buffers import F32
from sparsesr.runtime.convolution_layers import Conv, MaskedConv
from sparsesr.runtime.outside import Surroundings
from sparsesr.runtime.run_state import RunState, Weights
from sparsesr.runtime.token_layers import Bilinear, Fold, LayerNorm, SegmentAttention, Unfold


class Layer(Protocol):
    """A node that is ready to run."""

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output, counted as in the schedule."""
        ...


def make_layer(
    entry: TypedNode,
    tensors: Mapping[str, F32],
    dtype: str = "f32",
    around: Surroundings | None = None,
) -> Layer:
    """Prepare a node that is computed row by row and whose input maps are of type ``dtype``."""
    arrays = {role: np.ascontiguousarray(tensors[name]) for role, name in entry.node.weights.items()}
    return _LAYERS[entry.node.op](entry, Weights(arrays, dtype, around or Surroundings()))


def attend(entry: TypedNode, tensors: Mapping[str, F32], mean: F32) -> F32:
    """Run a ``channel_attention`` node."""
    weights = (np.ascontiguousarray(tensors[entry.node.weights[role]]) for role in ("w1", "b1", "w2", "b2"))
    return _native.channel_attention(mean, *weights)


class _Image:
    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        self._output = entry.node.output
        self._offset = np.array(OFFSET.of(entry.node), np.float32)

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        out, row0 = state.placed(self._output)
        grid = state.grid
        _native.image_rows(
            state.image, self._offset, out, row0, r0, r1, grid.height, grid.width, state.threads
        )


class _AvgPool:
    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        _native.avg_pool2x2_rows(
            *state.placed(self._input), *state.placed(self._output), r0, r1, state.threads
        )


class _Deconv:
    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        (self._type,) = entry.inputs
        self._packed = _native.PackedDeconv(weights["weight"], weights.get("bias"), weights.dtype)

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        height, _ = state.grid.size(self._type)
        _native.conv_transpose2x_rows(self._packed, x, x_row0, height, out, row0, r0, r1, state.threads)


class _SpatialMask:
    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        state.masks[self._output].grow(*state.placed(self._input), r1, state.mask_bias)


class _GlobalMean:
    """Sums of rows; the run makes the mean of them when the last row is done."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        _native.row_sums(*state.placed(self._input), r0, r1, state.sums[self._output], state.threads)


class _ScaleAdd:
    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        self._input, self._vector, *residual = entry.node.inputs
        self._residual, self._output = residual[0] if residual else None, entry.node.output

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        scale = state.vectors[self._vector]
        residual = None if self._residual is None else state.placed(self._residual)
        _native.scale_add_rows(x, x_row0, scale, residual, out, row0, r0, r1, state.threads)


class _Add:
    """A sum; what is at or above zero keeps a slope of one."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        node, channels = entry.node, entry.output.channels
        self._inputs, self._output = node.inputs, node.output
        self._factors = np.array(FACTORS.of(node) or [1.0] * len(node.inputs), np.float32)
        self._activation = ACTIVATION.of(node)
        self._slopes = weights.get("slopes", np.full(channels, SLOPE.of(node), np.float32))

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        inputs = [state.placed(name) for name in self._inputs]
        out, row0 = state.placed(self._output)
        _native.add_rows(
            inputs, self._factors, self._activation, self._slopes, out, row0, r0, r1, state.threads
        )


class _PixelShuffle:
    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        self._input, *skip = entry.node.inputs
        self._scale, self._channels = SCALE.of(entry.node), entry.output.channels
        self._skip, self._output = skip[0] if skip else None, entry.node.output

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        skip = None if self._skip is None else state.placed(self._skip)
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        _native.pixel_shuffle_rows(
            x, x_row0, self._scale, self._channels, skip, out, row0, r0, r1, state.threads
        )


class _Bicubic:
    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        (self._input,), self._output = entry.node.inputs, entry.node.output
        (self._type,), self._scale = entry.inputs, SCALE.of(entry.node)

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        height, _ = state.grid.size(self._type)
        _native.bicubic_rows(x, x_row0, height, self._scale, out, row0, r0, r1, state.threads)


_LAYERS: dict[str, Callable[[TypedNode, Weights], Layer]] = {
    "image": _Image,
    "conv2d": Conv,
    "masked_conv2d": MaskedConv,
    "avg_pool2x2": _AvgPool,
    "conv_transpose2x": _Deconv,
    "spatial_mask": _SpatialMask,
    "global_mean": _GlobalMean,
    "scale_add": _ScaleAdd,
    "add": _Add,
    "bilinear_upsample": Bilinear,
    "unfold3x3": Unfold,
    "fold3x3": Fold,
    "layer_norm": LayerNorm,
    "segment_attention": SegmentAttention,
    "pixel_shuffle": _PixelShuffle,
    "bicubic_upsample": _Bicubic,
}
