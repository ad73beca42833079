"""Masks whose logits are a transposed convolution, computed without storing the logits. The runtime adds them."""

from __future__ import annotations

from sparsesr.modelfile.operations.conv_transpose2x import (
    CONV_TRANSPOSE2X,
    deconv_bind,
    deconv_macs,
    deconv_rows,
)
from sparsesr.modelfile.operations.facts import FP32, FP32_OR_BF16, InputSpec, NumberTypes, WeightRole
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import all_inputs, mask_type
from sparsesr.modelfile.operations.value_types import HALF, Kind, TypedNode
from sparsesr.modelfile.spec import Node

UPSAMPLED_MASK = Operation(
    name="upsampled_mask",
    summary="spatial_mask of a conv_transpose2x",
    inputs=(InputSpec("x", Kind.MAP, HALF),),
    weights=(WeightRole("weight", ("I", 2, 3, 3)), WeightRole("bias", (2,), optional=True)),
    bind=deconv_bind,
    infer=mask_type,
    rows=deconv_rows,
    macs=deconv_macs,
    produces=Kind.MASK,
    upscales=True,
    features=all_inputs,
    number_types=NumberTypes(reads=FP32_OR_BF16, writes=FP32),
)


def upsampled(mask: TypedNode, writer: TypedNode) -> TypedNode | None:
    """The mask without its logits, if a transposed convolution computes them."""
    if writer.node.op != CONV_TRANSPOSE2X.name:
        return None
    node = Node(
        UPSAMPLED_MASK.name, writer.node.inputs, mask.node.output, {}, writer.node.weights, mask.node.name
    )
    return TypedNode(node, writer.inputs, mask.output, writer.sizes)
