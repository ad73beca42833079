"""Convolutions: at every pixel, or under a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsesr import _native
from sparsesr.modelfile.attributes import ACCUMULATE, ACTIVATION, DENSE_IN, DENSE_OUT, SLOPE
from sparsesr.modelfile.op_rules import feature_inputs, has_addend
from sparsesr.modelfile.op_schema import TypedNode
from sparsesr.runtime.run_state import RunState, Weights


class Conv:
    """A convolution at every pixel."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        node = entry.node
        self._inputs = feature_inputs(node)
        splits = [value.channels for value in entry.inputs[: len(self._inputs)]]
        self._packed = _native.PackedConv(weights["weight"], weights.get("bias"), splits, weights.dtype)
        self._output, self._activation, self._slope = node.output, ACTIVATION.of(node), SLOPE.of(node)
        addend = node.inputs[-1] if has_addend(node) else None
        self._accumulate = addend if ACCUMULATE.of(node) else None
        self._residual = None if ACCUMULATE.of(node) else addend

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        out, row0 = state.placed(self._output)
        _native.conv_rows(
            self._packed,
            [state.placed(name) for name in self._inputs],
            out,
            row0,
            r0,
            r1,
            self._activation,
            self._slope,
            None if self._residual is None else state.placed(self._residual),
            None if self._accumulate is None else state.placed(self._accumulate),
            state.threads,
        )


class MaskedConv:
    """In full where the mask is active; elsewhere dense inputs to dense outputs, the others zero."""

    def __init__(self, entry: TypedNode, weights: Weights) -> None:
        node = entry.node
        self._mask, self._inputs = node.inputs[0], feature_inputs(node)
        self._output, self._activation, self._slope = node.output, ACTIVATION.of(node), SLOPE.of(node)
        splits = [value.channels for value in entry.inputs[1:]]
        self._full = _native.PackedConv(weights["weight"], weights.get("bias"), splits, weights.dtype)
        dense_in = DENSE_IN.of(node)
        self._dense_inputs = tuple(n for n, dense in zip(self._inputs, dense_in, strict=True) if dense)
        self._dense = _dense_part(weights, splits, dense_in, DENSE_OUT.of(node))
        if self._dense is not None and not self._dense_inputs:
            self._dense_inputs = self._inputs[:1]

    def __call__(self, state: RunState, r0: int, r1: int) -> None:
        """Compute rows [r0, r1) of the output."""
        active, inactive = state.masks[self._mask].rows(r0, r1)
        out, row0 = state.placed(self._output)
        if len(active):
            self._convolve(self._full, self._inputs, state, active)
        if len(inactive) and self._dense is None:
            _native.zero_pixels(out, row0, inactive, state.threads)
        elif len(inactive) and self._dense is not None:
            self._convolve(self._dense, self._dense_inputs, state, inactive)

    def _convolve(
        self,
        packed: _native.PackedConv,
        names: tuple[str, ...],
        state: RunState,
        pixels: NDArray[np.int32],
    ) -> None:
        inputs = [state.placed(name) for name in names]
        out, row0 = state.placed(self._output)
        _native.conv_pixels(
            packed, inputs, out, row0, pixels, self._activation, self._slope, threads=state.threads
        )


def _dense_part(
    weights: Weights, splits: list[int], dense_in: list[int], dense_out: int
) -> _native.PackedConv | None:
    """Weights from dense inputs to dense outputs; None where all inactive pixels are zero.

    Without a dense input, only the bias is left: one input with a weight of zero stands for that.
    """
    weight, bias = weights["weight"][:dense_out], weights.get("bias")
    if dense_out == 0 or (not any(dense_in) and bias is None):
        return None
    starts = np.cumsum([0, *splits[:-1]])
    channels = [c for start, dense in zip(starts, dense_in, strict=True) for c in range(start, start + dense)]
    part = weight[:, channels] if channels else np.zeros_like(weight[:, :1])
    kept = [dense for dense in dense_in if dense] or [1]
    return _native.PackedConv(
        np.ascontiguousarray(part),
        None if bias is None else np.ascontiguousarray(bias[:dense_out]),
        kept,
        weights.dtype,
    )
