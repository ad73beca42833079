"""Convolutions that are computed in full at active pixels only.

Graph passes may set the attribute ``residual``, which model files may not: the last input is then added after the
activation. Inactive pixels, whose outputs would all be zero, keep that input; if the output is written over it, they
cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.attributes import (
    ACTIVATION,
    BALANCED,
    DENSE_IN,
    DENSE_OUT,
    INT8_SCALES,
    KERNEL,
    RESIDUAL,
    SLOPE,
)
from sparsesr.modelfile.operations.conv2d import (
    CONV2D,
    WEIGHTS,
    absorbs_activation,
    feature_sizes,
    kept_inputs,
)
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
from sparsesr.modelfile.operations.value_types import FULL, Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node


def masked_features(node: Node) -> tuple[str, ...]:
    """The inputs that are concatenated and convolved."""
    return node.inputs[1 : len(node.inputs) - RESIDUAL.of(node)]


def _is_residual(node: Node, index: int) -> bool:
    return RESIDUAL.of(node) and index == len(node.inputs) - 1


def masked_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Input channels and kernel size.

    Raises:
        ModelError: ``dense_in`` does not fit the inputs.
    """
    features, dense_in = inputs[1:], DENSE_IN.of(node)
    if len(dense_in) != len(features):
        raise ModelError(f"dense_in has {len(dense_in)} numbers for {len(features)} inputs")
    if any(dense > feature.channels for dense, feature in zip(dense_in, features, strict=True)):
        raise ModelError("dense_in is larger than the channels of its input")
    return feature_sizes(node, features)


def masked_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The output map.

    Raises:
        ModelError: ``dense_out`` exceeds the output channels.
    """
    if DENSE_OUT.of(node) > sizes["O"]:
        raise ModelError(f"dense_out is larger than the {sizes['O']} channels of its output")
    return ValueType(Kind.MAP, sizes["O"], FULL)


def masked_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """As ``conv2d``; mask and residual are read at the output's own rows."""
    reach = 0 if index == 0 or _is_residual(node, index) else KERNEL.of(node) // 2
    return a - reach, b + reach


def masked_macs(typed: TypedNode) -> Macs:
    """An inactive pixel costs dense inputs x dense outputs x taps, of which a balanced pattern keeps its share."""
    node, sizes = typed.node, typed.sizes
    taps = sizes["k"] ** 2
    dense = sum(kept_inputs(node, channels) for channels in DENSE_IN.of(node)) * DENSE_OUT.of(node) * taps
    return Macs(kept_inputs(node, sizes["I"]) * sizes["O"] * taps, dense, FULL)


def _alike(node: Node) -> Sequence[Sequence[str]]:
    added = [(node.inputs[-1], node.output)] if RESIDUAL.of(node) else []
    return [masked_features(node), *added]


def _reach(node: Node) -> int:
    return KERNEL.of(node) // 2


def _absorbs_residual(node: Node) -> bool:
    """Inactive pixels can keep a residual only if nothing else is added to it there."""
    return DENSE_OUT.of(node) == 0 and not RESIDUAL.of(node)


def _unmasked(typed: TypedNode) -> TypedNode:
    node = typed.node
    attrs = {key: value for key, value in node.attrs.items() if key not in (DENSE_IN.name, DENSE_OUT.name)}
    plain = Node(CONV2D.name, node.inputs[1:], node.output, attrs, node.weights, node.name)
    return TypedNode(plain, typed.inputs[1:], typed.output, typed.sizes)


def _is_bias_outside(typed: TypedNode) -> bool:
    node = typed.node
    is_plain = ACTIVATION.of(node) == "none" and not RESIDUAL.of(node) and not any(DENSE_IN.of(node))
    return is_plain and DENSE_OUT.of(node) in (typed.output.channels, 0 if "bias" not in node.weights else -1)


MASKED_CONV2D = Operation(
    name="masked_conv2d",
    summary="conv2d in full at active pixels; elsewhere only leading dense inputs -> leading dense "
    "outputs, the other outputs being zero",
    inputs=(InputSpec("mask", Kind.MASK, FULL), InputSpec("x", Kind.MAP, FULL, repeats=True)),
    attrs=(KERNEL, ACTIVATION, SLOPE, DENSE_IN, DENSE_OUT, BALANCED, INT8_SCALES),
    weights=WEIGHTS,
    bind=masked_bind,
    infer=masked_infer,
    rows=masked_rows,
    macs=masked_macs,
    features=masked_features,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, _alike),
    masking=Masking(_reach, DENSE_IN.of, DENSE_OUT.of, RESIDUAL.of, _unmasked, _is_bias_outside),
    in_place=_is_residual,
    absorbs_activation=absorbs_activation,
    absorbs_residual=_absorbs_residual,
)
