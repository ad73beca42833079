"""Depthwise 3x3 convolution: a kernel of its own for every channel."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.attributes import ACTIVATION, SLOPE
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
from sparsesr.modelfile.operations.shared_rules import all_inputs, maps_and_output, same_type
from sparsesr.modelfile.operations.value_types import Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node

TAPS = 9


def depthwise_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Channels of the input."""
    return {"C": inputs[0].channels}


def depthwise_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """One more row on each side."""
    return a - 1, b + 1


def depthwise_macs(typed: TypedNode) -> Macs:
    """One multiply-add per channel and tap."""
    macs = TAPS * typed.sizes["C"]
    return Macs(macs, macs, typed.output.resolution)


def absorbs_activation(node: Node) -> bool:
    """Return True if an activation can be fused: kernels apply one."""
    return ACTIVATION.of(node) == "none"


DEPTHWISE_CONV3X3 = Operation(
    name="depthwise_conv3x3",
    summary="3x3 convolution of each channel by itself, stride 1, zero padding; then the activation",
    inputs=(InputSpec("x", Kind.MAP),),
    attrs=(ACTIVATION, SLOPE),
    weights=(WeightRole("weight", ("C", 1, 3, 3)), WeightRole("bias", ("C",), optional=True)),
    bind=depthwise_bind,
    infer=same_type,
    rows=depthwise_rows,
    macs=depthwise_macs,
    features=all_inputs,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, maps_and_output),
    absorbs_activation=absorbs_activation,
)
