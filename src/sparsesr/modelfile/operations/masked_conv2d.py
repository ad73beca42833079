"""Convolutions in full at active pixels only."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.attributes import ACTIVATION, DENSE_IN, DENSE_OUT, KERNEL, SLOPE
from sparsesr.modelfile.operations.conv2d import CONV2D, WEIGHTS, absorbs_activation
from sparsesr.modelfile.operations.facts import (
    FP32_OR_BF16,
    InputSpec,
    Macs,
    Masking,
    NumberTypes,
    Rows,
    Sizes,
)
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import concat_channels
from sparsesr.modelfile.operations.value_types import FULL, Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node


def _feature_inputs(node: Node) -> tuple[str, ...]:
    return node.inputs[1:]


def masked_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Channels in, of which ``dense_in`` may not claim more than there are."""
    features, dense_in = inputs[1:], DENSE_IN.of(node)
    if len(dense_in) != len(features):
        raise ModelError(f"dense_in has {len(dense_in)} numbers for {len(features)} inputs")
    if any(dense > feature.channels for dense, feature in zip(dense_in, features, strict=True)):
        raise ModelError("dense_in is larger than the channels of its input")
    return {"I": concat_channels(features), "k": KERNEL.of(node)}


def masked_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """Channels out, of which ``dense_out`` may not claim more than there are."""
    if DENSE_OUT.of(node) > sizes["O"]:
        raise ModelError(f"dense_out is larger than the {sizes['O']} channels of its output")
    return ValueType(Kind.MAP, sizes["O"], FULL)


def masked_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """As ``conv2d``; the mask is read in place."""
    reach = 0 if index == 0 else KERNEL.of(node) // 2
    return a - reach, b + reach


def masked_macs(typed: TypedNode) -> Macs:
    """Inactive pixels cost the dense inputs times the dense outputs."""
    node, sizes = typed.node, typed.sizes
    taps = sizes["k"] ** 2
    dense = sum(DENSE_IN.of(node)) * DENSE_OUT.of(node) * taps
    return Macs(sizes["I"] * sizes["O"] * taps, dense, FULL)


def _alike(node: Node) -> Sequence[Sequence[str]]:
    return [_feature_inputs(node)]


def _reach(node: Node) -> int:
    return KERNEL.of(node) // 2


def _unmasked(typed: TypedNode) -> TypedNode:
    node = typed.node
    attrs = {key: value for key, value in node.attrs.items() if key not in (DENSE_IN.name, DENSE_OUT.name)}
    plain = Node(CONV2D.name, _feature_inputs(node), node.output, attrs, node.weights, node.name)
    return TypedNode(plain, typed.inputs[1:], typed.output, typed.sizes)


MASKED_CONV2D = Operation(
    name="masked_conv2d",
    summary="conv2d in full at active pixels; elsewhere only leading dense inputs -> leading dense "
    "outputs, the other outputs being zero",
    inputs=(InputSpec("mask", Kind.MASK, FULL), InputSpec("x", Kind.MAP, FULL, repeats=True)),
    attrs=(KERNEL, ACTIVATION, SLOPE, DENSE_IN, DENSE_OUT),
    weights=WEIGHTS,
    bind=masked_bind,
    infer=masked_infer,
    rows=masked_rows,
    macs=masked_macs,
    features=_feature_inputs,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, _alike),
    masking=Masking(_reach, DENSE_IN.of, DENSE_OUT.of, _unmasked),
    absorbs_activation=absorbs_activation,
)
