"""Convolutions at every pixel."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.attributes import (
    ACCUMULATE,
    ACTIVATION,
    INT8_SCALES,
    KERNEL,
    RESIDUAL,
    SLOPE,
)
from sparsesr.modelfile.operations.facts import (
    FP32_OR_BF16,
    InputSpec,
    Macs,
    NumberTypes,
    Rows,
    Sizes,
    WeightRole,
)
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import check_int8_scales, concat_channels
from sparsesr.modelfile.operations.value_types import Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node

WEIGHTS = (WeightRole("weight", ("O", "I", "k", "k")), WeightRole("bias", ("O",), optional=True))


def has_addend(node: Node) -> bool:
    """Return True if the last input is added to the result instead of convolved."""
    return bool(RESIDUAL.of(node) or ACCUMULATE.of(node))


def feature_inputs(node: Node) -> tuple[str, ...]:
    """Return the inputs that are concatenated and convolved."""
    return node.inputs[: len(node.inputs) - has_addend(node)]


def conv_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Input channels without the addend, and kernel side."""
    if RESIDUAL.of(node) and ACCUMULATE.of(node):
        raise ModelError("cannot have both residual and accumulate")
    features = inputs[: len(inputs) - has_addend(node)]
    check_int8_scales(node, features)
    return {"I": concat_channels(features), "k": KERNEL.of(node)}


def conv_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """Type of the output; the addend must have the same."""
    output = ValueType(Kind.MAP, sizes["O"], inputs[0].resolution)
    if has_addend(node) and inputs[-1] != output:
        raise ModelError(f"adds a {inputs[-1]} to a {output}")
    return output


def conv_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """A 3x3 kernel reads one more row on each side; the addend's rows are the output's."""
    is_addend = has_addend(node) and index == len(node.inputs) - 1
    reach = 0 if is_addend else KERNEL.of(node) // 2
    return a - reach, b + reach


def conv_macs(typed: TypedNode) -> Macs:
    """Every output pixel costs the same."""
    sizes = typed.sizes
    dense = sizes["I"] * sizes["O"] * sizes["k"] ** 2
    return Macs(dense, dense, typed.output.resolution)


def _same_type_maps(node: Node) -> Sequence[Sequence[str]]:
    added = [(node.inputs[-1], node.output)] if has_addend(node) else []
    return [feature_inputs(node), *added]


def _in_place(node: Node, index: int) -> bool:
    """The addend is read pixel by pixel."""
    return has_addend(node) and index == len(node.inputs) - 1


def absorbs_activation(node: Node) -> bool:
    """Return True if an activation can be fused: kernels apply one, before the residual."""
    return ACTIVATION.of(node) == "none" and not RESIDUAL.of(node)


CONV2D = Operation(
    name="conv2d",
    summary="convolution of the concatenated inputs, stride 1, zero padding; residual adds the last "
    "input after the activation, accumulate before it",
    inputs=(InputSpec("x", Kind.MAP, repeats=True),),
    attrs=(KERNEL, ACTIVATION, SLOPE, RESIDUAL, ACCUMULATE, INT8_SCALES),
    weights=WEIGHTS,
    bind=conv_bind,
    infer=conv_infer,
    rows=conv_rows,
    macs=conv_macs,
    features=feature_inputs,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, _same_type_maps),
    in_place=_in_place,
    absorbs_activation=absorbs_activation,
)
