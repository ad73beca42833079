"""Channel attention: mean over the image, two fully connected layers, and the product with a map."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.facts import (
    FP32,
    FP32_OR_BF16,
    InputSpec,
    Macs,
    NumberTypes,
    Sizes,
    WeightRole,
)
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.outside_mask import mean_outside, scale_add_outside
from sparsesr.modelfile.operations.shared_rules import always_in_place, same_type, vector_type
from sparsesr.modelfile.operations.value_types import Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node


def attention_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Length of the vector; the weights determine the hidden width ``M``."""
    return {"C": inputs[0].channels}


def attention_macs(typed: TypedNode) -> Macs:
    """Two fully connected layers per image."""
    both_layers = 2 * typed.sizes["C"] * typed.sizes["M"]
    return Macs(both_layers, both_layers, None)


def scale_add_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Check that all inputs have the same channels, and the maps the same resolution."""
    feature, vector, *rest = inputs
    if vector.channels != feature.channels:
        raise ModelError(f"scales {feature.channels} channels by a vector of {vector.channels}")
    if rest and rest[0] != feature:
        raise ModelError(f"adds a {rest[0]} to a {feature}")
    return {}


def _same_type_maps(node: Node) -> Sequence[Sequence[str]]:
    feature, _, *residual = node.inputs
    return [(feature, *residual, node.output)]


GLOBAL_MEAN = Operation(
    name="global_mean",
    summary="mean of each channel over the whole image",
    inputs=(InputSpec("x", Kind.MAP),),
    infer=vector_type,
    outside_mask=mean_outside,
    sees_whole_image=True,
    produces=Kind.VECTOR,
    number_types=NumberTypes(reads=FP32_OR_BF16, writes=FP32),
)


CHANNEL_ATTENTION = Operation(
    name="channel_attention",
    summary="sigmoid(w2 relu(w1 v + b1) + b2)",
    inputs=(InputSpec("v", Kind.VECTOR),),
    weights=(
        WeightRole("w1", ("M", "C")),
        WeightRole("b1", ("M",)),
        WeightRole("w2", ("C", "M")),
        WeightRole("b2", ("C",)),
    ),
    bind=attention_bind,
    infer=vector_type,
    macs=attention_macs,
    sees_whole_image=True,
    produces=Kind.VECTOR,
)


SCALE_ADD = Operation(
    name="scale_add",
    summary="x * vector, plus the residual if given",
    inputs=(
        InputSpec("x", Kind.MAP),
        InputSpec("vector", Kind.VECTOR),
        InputSpec("residual", Kind.MAP, optional=True),
    ),
    bind=scale_add_bind,
    infer=same_type,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, _same_type_maps),
    in_place=always_in_place,
    outside_mask=scale_add_outside,
)
