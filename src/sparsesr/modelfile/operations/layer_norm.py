"""Layer normalisation over the channels of each pixel."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.attributes import EPSILON
from sparsesr.modelfile.operations.facts import InputSpec, Sizes, WeightRole
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import same_type
from sparsesr.modelfile.operations.value_types import Kind, ValueType
from sparsesr.modelfile.spec import Node


def channels_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Channels of the input."""
    return {"C": inputs[0].channels}


LAYER_NORM = Operation(
    name="layer_norm",
    summary="(x - mean) / sqrt(variance + epsilon) * weight + bias over the channels of each pixel",
    inputs=(InputSpec("x", Kind.MAP),),
    attrs=(EPSILON,),
    weights=(WeightRole("weight", ("C",)), WeightRole("bias", ("C",))),
    bind=channels_bind,
    infer=same_type,
)
