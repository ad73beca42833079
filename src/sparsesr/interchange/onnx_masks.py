"""Masks in ONNX: every pixel is computed, and multiplied by 0 or 1 where our kernels skip it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparsesr.extras import package
from sparsesr.interchange.onnx_builder import OnnxBuilder
from sparsesr.modelfile.operations.attributes import DENSE_IN, DENSE_OUT
from sparsesr.modelfile.operations.masked_conv2d import masked_features
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import Node


def spatial_mask(build: OnnxBuilder, entry: TypedNode) -> None:
    """1 where logit 1 > logit 0, else 0; beside it the complement."""
    (logits,) = entry.node.inputs
    flags = build.add("Greater", [build.channels(logits, 1, 2), build.channels(logits, 0, 1)])
    build.add("Cast", [flags], entry.node.output, to=package("onnx").TensorProto.FLOAT)
    one = build.constant(":one", np.ones((), np.float32))
    build.add("Sub", [one, entry.node.output], _inactive(entry.node.output))


def _inactive(mask: str) -> str:
    return f"{mask}:inactive"


def masked_conv2d(build: OnnxBuilder, entry: TypedNode) -> None:
    """The full convolution at active pixels, dense inputs to dense outputs at the others."""
    node, mask = entry.node, entry.node.inputs[0]
    value = build.convolved(node, masked_features(node), build.weights(node, "weight", "bias"))
    if _reads_all(entry):
        value = _without_sparse_outputs(build, entry, value)
    else:
        value = build.add("Mul", [value, mask])
        inactive = _dense_part(build, entry)
        if inactive is not None:
            value = build.add("Add", [value, build.add("Mul", [inactive, _inactive(mask)])])
    build.named(build.activated(node, value), node.output)


def _reads_all(entry: TypedNode) -> bool:
    """True if dense outputs are the same with and without the mask."""
    dense_in = DENSE_IN.of(entry.node)
    return all(dense == value.channels for dense, value in zip(dense_in, entry.inputs[1:], strict=True))


def _without_sparse_outputs(build: OnnxBuilder, entry: TypedNode, value: str) -> str:
    """Multiply the sparse outputs by the mask."""
    mask, dense, outputs = entry.node.inputs[0], DENSE_OUT.of(entry.node), entry.output.channels
    if dense == outputs:
        return value
    if dense:
        is_dense = build.per_channel(f"{entry.node.output}:is_dense", np.arange(outputs) < dense)
        mask = build.add("Max", [mask, is_dense])
    return build.add("Mul", [value, mask])


def _dense_part(build: OnnxBuilder, entry: TypedNode) -> str | None:
    """Values at inactive pixels, with zeros as sparse outputs; None if all are zero."""
    node, outputs = entry.node, DENSE_OUT.of(entry.node)
    columns = _dense_columns(entry)
    tensors = {role: build.model.tensors[name] for role, name in node.weights.items()}
    if not outputs or not (columns or "bias" in tensors):
        return None
    bias = [
        build.constant(f"{node.output}:dense_bias", tensors[role][:outputs])
        for role in tensors
        if role == "bias"
    ]
    if columns:
        kernel = build.constant(f"{node.output}:dense_weight", tensors["weight"][:outputs, columns])
        value = build.convolved(node, _dense_features(build, node), [kernel, *bias])
    else:
        value = build.per_channel(bias[0], tensors["bias"][:outputs])
    missing = entry.output.channels - outputs
    return build.add("Pad", [value, build.numbers(0, 0, 0, 0, 0, missing, 0, 0)]) if missing else value


def _dense_columns(entry: TypedNode) -> list[int]:
    """Positions of the dense inputs among the concatenated ones."""
    columns: list[int] = []
    first = 0
    for feature, dense in zip(entry.inputs[1:], DENSE_IN.of(entry.node), strict=True):
        columns += range(first, first + dense)
        first += feature.channels
    return columns


def _dense_features(build: OnnxBuilder, node: Node) -> Sequence[str]:
    features = zip(masked_features(node), DENSE_IN.of(node), strict=True)
    return [build.channels(feature, 0, dense) for feature, dense in features if dense]
