"""Transposed convolution to twice the resolution."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.facts import (
    FP32,
    FP32_OR_BF16,
    InputSpec,
    Macs,
    NumberTypes,
    Rows,
    Sizes,
    WeightRole,
)
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import all_inputs, resized
from sparsesr.modelfile.operations.value_types import Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node


def deconv_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Input channels."""
    return {"I": inputs[0].channels}


def deconv_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """Output channels at twice the resolution."""
    return resized(inputs[0], sizes["O"], 2)


def deconv_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Even row 2i reads input row i; odd row 2i + 1 reads rows i and i + 1."""
    return a // 2, b // 2 + 1


def deconv_macs(typed: TypedNode) -> Macs:
    """Each tap of each input pixel is one multiply-add, whichever output pixel it contributes to."""
    per_input_pixel = typed.sizes["I"] * typed.sizes["O"] * 9
    return Macs(per_input_pixel, per_input_pixel, typed.inputs[0].resolution)


CONV_TRANSPOSE2X = Operation(
    name="conv_transpose2x",
    summary="transposed 3x3 convolution, stride 2, padding 1, output padding 1: twice the resolution",
    inputs=(InputSpec("x", Kind.MAP),),
    weights=(WeightRole("weight", ("I", "O", 3, 3)), WeightRole("bias", ("O",), optional=True)),
    bind=deconv_bind,
    infer=deconv_infer,
    rows=deconv_rows,
    macs=deconv_macs,
    upscales=True,
    features=all_inputs,
    number_types=NumberTypes(reads=FP32_OR_BF16, writes=FP32),
)
