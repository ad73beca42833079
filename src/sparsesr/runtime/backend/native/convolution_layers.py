"""Convolution layers, dense and masked."""

from __future__ import annotations

import numpy as np

from sparsesr import _native
from sparsesr.modelfile.operations.attributes import (
    ACCUMULATE,
    ACTIVATION,
    DENSE_IN,
    DENSE_OUT,
    OUTSIDE_UNWRITTEN,
    REACH,
    RESIDUAL,
    SLOPE,
)
from sparsesr.modelfile.operations.conv2d import has_addend
from sparsesr.modelfile.operations.masked_conv2d import masked_features
from sparsesr.modelfile.operations.registry import feature_inputs, mask_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.backend.interface import F32
from sparsesr.runtime.backend.native.layer import NativeLayer, Weights
from sparsesr.runtime.backend.native.layout import CHANNEL_BLOCK, NATIVE_LAYOUT
from sparsesr.runtime.backend.native.run_state import NativeRunState
from sparsesr.runtime.backend.native.window import Map
from sparsesr.runtime.graph.zero_fill import ZeroFill


class Conv(NativeLayer):
    """A convolution at every pixel, at those that active ones reach, or of these at all that are listed."""

    writes_copies = True

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        node = entry.node
        self._copy = weights.quantised_copy
        self._inputs = feature_inputs(node)
        types = dict(zip(node.inputs, entry.inputs, strict=True))
        splits = [types[name].channels for name in self._inputs]
        self._reach = None if mask_of(node) is None else (node.inputs[0], REACH.of(node))
        self._elsewhere = None if self._reach is None else next(iter(node.inputs[2:]), None)
        self._packed = _packed(weights, splits)
        self._out_steps = weights.out_steps
        self._output, self._activation, self._slope = node.output, ACTIVATION.of(node), SLOPE.of(node)
        self._slopes = weights.get("slopes")
        addend = node.inputs[-1] if has_addend(node) else None
        self._accumulate = addend if ACCUMULATE.of(node) else None
        self._residual = None if ACCUMULATE.of(node) else addend

    def begin(self, state: NativeRunState) -> None:
        """Say where there will be values."""
        if self._reach is not None and self._elsewhere is None:
            state.claim_pixels(self._output, *self._reach)
            if self._copy is not None:
                state.claim_pixels(self._copy.name, *self._reach)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        out, row0 = state.placed(self._output)
        if self._elsewhere is not None:
            _keep_rows(state.placed(self._elsewhere), (out, row0), r0, r1)
        _native.conv_rows(
            self._packed,
            [state.placed(name) for name in self._inputs],
            out,
            row0,
            r0,
            r1,
            self._activation,
            self._slope,
            self._slopes,
            None if self._residual is None else state.placed(self._residual),
            None if self._accumulate is None else state.placed(self._accumulate),
            self._out_steps,
            state.placed_copy(self._copy),
            state.listed(self._output),
            None if self._reach is None else (state.masks[self._reach[0]], self._reach[1]),
            state.threads,
        )


class FoldedConvs(NativeLayer):
    """Two convolutions of the image in one, at pixels that active ones do not reach."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        self._mask, self._image = entry.node.inputs
        self._output, self._reach = entry.node.output, REACH.of(entry.node)
        first, second = weights["first"], weights["second"]
        first_bias = weights.get("first_bias", np.zeros(len(first), np.float32))
        second_bias = weights.get("second_bias", np.zeros(len(second), np.float32))
        self._convs = _native.FoldedConvs(first, first_bias, second, second_bias)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        out, row0 = state.placed(self._output)
        _native.folded_convs_rows(
            self._convs,
            *state.placed(self._image),
            state.grid.height,
            state.masks[self._mask],
            self._reach,
            state.wanted(self._output),
            out,
            row0,
            r0,
            r1,
            state.threads,
        )


class MaskedConv(NativeLayer):
    """In full at active pixels; elsewhere from dense inputs to dense outputs, with other outputs cleared if read.

    With a residual, inactive pixels keep it: they need no work if the output overwrites the residual.
    """

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        node = entry.node
        self._mask, self._inputs = node.inputs[0], masked_features(node)
        self._residual = node.inputs[-1] if RESIDUAL.of(node) else None
        self.writes_copies = self._residual is not None  # else inactive pixels are written at the same time
        self._copy = weights.quantised_copy if self.writes_copies else None
        self._copied = ZeroFill.NOWHERE if weights.quantised_copy is None else weights.quantised_copy.inactive
        self._output, self._activation, self._slope = node.output, ACTIVATION.of(node), SLOPE.of(node)
        self._slopes = weights.get("slopes")
        splits = [value.channels for value in entry.inputs[1 : 1 + len(self._inputs)]]
        self._full = _packed(weights, splits)
        self._out_steps = weights.out_steps
        dense_in, dense_out = DENSE_IN.of(node), DENSE_OUT.of(node)
        self._dense_inputs = tuple(n for n, dense in zip(self._inputs, dense_in, strict=True) if dense)
        self._dense = _dense_part(weights, splits, dense_in, dense_out)
        self._fill, self._constants = self._filled(entry, weights)
        self._nonzero_channels = weights.zeros.nonzero_channels

    def _filled(self, entry: TypedNode, weights: Weights) -> tuple[ZeroFill, F32]:
        """Where to fill inactive pixels, and with which constants; these fill the last channels of a pixel."""
        if OUTSIDE_UNWRITTEN.of(entry.node):
            return ZeroFill.NOWHERE, np.zeros(0, np.float32)
        stride, dense_out = NATIVE_LAYOUT.stride(entry.output.channels), DENSE_OUT.of(entry.node)
        if dense_out and self._dense is None:  # without dense inputs, dense outputs are their bias
            constants = np.zeros(stride, np.float32)
            bias = weights.get("bias", constants)[:dense_out]
            slopes = self._slope if self._slopes is None else self._slopes[:dense_out]
            constants[:dense_out] = _activate(bias, self._activation, slopes)
            return ZeroFill.EVERYWHERE, constants
        if self._dense is None:
            return weights.zeros.fill, np.zeros(stride, np.float32)
        behind_dense = -(-dense_out // CHANNEL_BLOCK) * CHANNEL_BLOCK
        return weights.zeros.fill, np.zeros(stride - behind_dense, np.float32)

    def begin(self, state: NativeRunState) -> None:
        """Skip zero fill that an earlier map in the same window has done, and say where there will be values."""
        state.claim_fill(self._output, self._fill)
        if self._dense is None and self._adds_nowhere_else(state):
            self._claim(state, self._output, self._fill)
        if self._copy is not None:
            self._claim(state, self._copy.name, self._copied)

    def _adds_nowhere_else(self, state: NativeRunState) -> bool:
        """False if inactive pixels of a residual are copied to the output."""
        return self._residual is None or state.windows[self._residual] is state.windows[self._output]

    def _claim(self, state: NativeRunState, name: str, fill: ZeroFill) -> None:
        if fill is not ZeroFill.EVERYWHERE:
            state.claim_pixels(name, self._mask, 0 if fill is ZeroFill.NOWHERE else 1)

    def __call__(self, state: NativeRunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        out, row0 = state.placed(self._output)
        residual = None if self._residual is None else state.placed(self._residual)
        if residual is not None:
            _keep_rows(residual, (out, row0), r0, r1)
        copy = state.placed_copy(self._copy)
        _native.masked_conv_rows(
            self._full,
            [state.placed(name) for name in self._inputs],
            self._dense,
            [state.placed(name) for name in self._dense_inputs] if self._dense else [],
            state.masks[self._mask],
            out,
            row0,
            r0,
            r1,
            self._activation,
            self._slope,
            self._slopes,
            state.fills[self._output].value,
            self._constants,
            self._nonzero_channels,
            residual,
            self._out_steps,
            copy,
            (ZeroFill.NOWHERE if copy is None else self._copied).value,
            state.threads,
        )


def _packed(weights: Weights, splits: list[int]) -> _native.PackedConv:
    return _native.PackedConv(weights["weight"], weights.get("bias"), splits, weights.dtype, weights.steps)


def _keep_rows(source: tuple[Map, int], target: tuple[Map, int], r0: int, r1: int) -> None:
    """Copy rows of a map unless it is overwritten in place."""
    values, first = source
    out, row0 = target
    if values is not out:
        out[r0 - row0 : r1 - row0] = values[r0 - first : r1 - first]


def _activate(values: F32, activation: str, slopes: F32 | float) -> F32:
    below = {"none": 1.0, "relu": 0.0, "leaky_relu": slopes}[activation]
    return np.where(values < 0, np.asarray(below, np.float32) * values, values)


def _dense_part(
    weights: Weights, splits: list[int], dense_in: list[int], dense_out: int
) -> _native.PackedConv | None:
    """Weights from dense inputs to dense outputs; None if either is empty."""
    if dense_out == 0 or not any(dense_in):
        return None
    bias = weights.get("bias")
    starts = np.cumsum([0, *splits[:-1]])
    channels = [c for start, dense in zip(starts, dense_in, strict=True) for c in range(start, start + dense)]
    return _native.PackedConv(
        np.ascontiguousarray(weights["weight"][:dense_out, channels]),
        None if bias is None else np.ascontiguousarray(bias[:dense_out]),
        [dense for dense in dense_in if dense],
        weights.dtype,
        [steps for steps, dense in zip(weights.steps, dense_in, strict=False) if dense],
    )
