"""Sums of maps, and separate activations."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.attributes import ACTIVATION, FACTORS, SLOPE
from sparsesr.modelfile.operations.facts import FP32_OR_BF16, InputSpec, NumberTypes, Sizes, WeightRole
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import always_in_place, maps_and_output, same_type
from sparsesr.modelfile.operations.value_types import Kind, ValueType
from sparsesr.modelfile.spec import Node

MAX_ADDENDS = 16


def add_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Check that all maps have one type, that factors match the inputs, and that slopes come with leaky_relu."""
    other = next((value for value in inputs if value != inputs[0]), None)
    if other is not None:
        raise ModelError(f"adds a {other} to a {inputs[0]}")
    if len(inputs) > MAX_ADDENDS:
        raise ModelError(f"adds {len(inputs)} maps, the limit is {MAX_ADDENDS}")
    if len(FACTORS.of(node)) not in (0, len(inputs)):
        raise ModelError(f"has {len(FACTORS.of(node))} factors for {len(inputs)} inputs")
    if "slopes" in node.weights and ACTIVATION.of(node) != "leaky_relu":
        raise ModelError("has slopes, but its activation is not leaky_relu")
    return {"C": inputs[0].channels}


def _is_activation(node: Node) -> bool:
    return len(node.inputs) == 1 and FACTORS.of(node) in ([], [1.0])


def _is_plain_sum(node: Node) -> bool:
    return len(node.inputs) == 2 and FACTORS.of(node) in ([], [1.0, 1.0]) and ACTIVATION.of(node) == "none"


ADD = Operation(
    name="add",
    summary="sum of maps, each times its factor; then the activation, with a slope per channel if given",
    inputs=(InputSpec("x", Kind.MAP, repeats=True),),
    attrs=(FACTORS, ACTIVATION, SLOPE),
    weights=(WeightRole("slopes", ("C",), optional=True),),
    bind=add_bind,
    infer=same_type,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, maps_and_output),
    is_eager=True,
    in_place=always_in_place,
    is_activation=_is_activation,
    is_plain_sum=_is_plain_sum,
)
