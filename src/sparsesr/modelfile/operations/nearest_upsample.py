"""Enlargement that repeats pixels."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.attributes import SCALE
from sparsesr.modelfile.operations.facts import FP32_OR_BF16, InputSpec, NumberTypes, Rows, Sizes
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import maps_and_output, resized
from sparsesr.modelfile.operations.value_types import Kind, ValueType
from sparsesr.modelfile.spec import Node


def nearest_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The same channels at ``scale`` times the resolution."""
    return resized(inputs[0], inputs[0].channels, SCALE.of(node))


def nearest_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """An input row becomes ``scale`` output rows."""
    return a // SCALE.of(node), -(-b // SCALE.of(node))


NEAREST_UPSAMPLE = Operation(
    name="nearest_upsample",
    summary="every pixel becomes a block of scale x scale pixels",
    inputs=(InputSpec("x", Kind.MAP),),
    attrs=(SCALE,),
    infer=nearest_infer,
    rows=nearest_rows,
    upscales=True,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, maps_and_output),
)
