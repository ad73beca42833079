"""Conversion of each operation to ONNX, opset 17. Operations that are not ordinary in ONNX have files of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparsesr.interchange.onnx_builder import OnnxBuilder
from sparsesr.interchange.onnx_masks import masked_conv2d, spatial_mask
from sparsesr.interchange.onnx_tokens import (
    bilinear_upsample,
    fold3x3,
    layer_norm,
    segment_attention,
    unfold3x3,
)
from sparsesr.modelfile.operations.attributes import ACCUMULATE, FACTORS, OFFSET, RESIDUAL, SCALE
from sparsesr.modelfile.operations.conv2d import has_addend
from sparsesr.modelfile.operations.registry import feature_inputs
from sparsesr.modelfile.operations.value_types import TypedNode

Rule = Callable[[OnnxBuilder, TypedNode], None]


def _image(build: OnnxBuilder, entry: TypedNode) -> None:
    offset = build.per_channel(f"{entry.node.output}:offset", OFFSET.of(entry.node))
    build.add("Sub", [build.image, offset], entry.node.output)


def _conv2d(build: OnnxBuilder, entry: TypedNode) -> None:
    node = entry.node
    value = build.convolved(node, feature_inputs(node), build.weights(node, "weight", "bias"))
    if has_addend(node) and ACCUMULATE.of(node):
        value = build.add("Add", [value, node.inputs[-1]])
    value = build.activated(node, value)
    if RESIDUAL.of(node):
        value = build.add("Add", [value, node.inputs[-1]])
    build.named(value, node.output)


def _depthwise_conv3x3(build: OnnxBuilder, entry: TypedNode) -> None:
    node = entry.node
    inputs = [*node.inputs, *build.weights(node, "weight", "bias")]
    value = build.add("Conv", inputs, kernel_shape=[3, 3], pads=[1] * 4, group=entry.output.channels)
    build.named(build.activated(node, value), node.output)


def _nearest_upsample(build: OnnxBuilder, entry: TypedNode) -> None:
    settings = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    build.add("Resize", [entry.node.inputs[0], "", _scales(build, entry)], entry.node.output, **settings)


def _sigmoid(build: OnnxBuilder, entry: TypedNode) -> None:
    build.add("Sigmoid", entry.node.inputs, entry.node.output)


def _conv_transpose2x(build: OnnxBuilder, entry: TypedNode) -> None:
    build.add(
        "ConvTranspose",
        [entry.node.inputs[0], *build.weights(entry.node, "weight", "bias")],
        entry.node.output,
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1] * 4,
        output_padding=[1, 1],
    )


def _avg_pool2x2(build: OnnxBuilder, entry: TypedNode) -> None:
    build.add(
        "AveragePool", entry.node.inputs, entry.node.output, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4
    )


def _global_mean(build: OnnxBuilder, entry: TypedNode) -> None:
    build.add("GlobalAveragePool", entry.node.inputs, entry.node.output)


def _channel_attention(build: OnnxBuilder, entry: TypedNode) -> None:
    node, value = entry.node, entry.node.inputs[0]
    for index, function in (("1", "Relu"), ("2", "Sigmoid")):
        weight, bias = build.weights(node, f"w{index}", f"b{index}")
        build.constants[weight] = build.constants[weight][:, :, None, None]
        value = build.add(function, [build.add("Conv", [value, weight, bias], kernel_shape=[1, 1])])
    build.named(value, node.output)


def _scale_add(build: OnnxBuilder, entry: TypedNode) -> None:
    feature, vector, *residual = entry.node.inputs
    value = build.add("Mul", [feature, vector])
    build.named(build.add("Add", [value, *residual]) if residual else value, entry.node.output)


def _add(build: OnnxBuilder, entry: TypedNode) -> None:
    node, terms = entry.node, list(entry.node.inputs)
    for index, factor in enumerate(FACTORS.of(node)):
        if factor != 1:
            scalar = build.constant(f"{node.output}:factor{index}", np.array(factor, np.float32))
            terms[index] = build.add("Mul", [terms[index], scalar])
    total = terms[0] if len(terms) == 1 else build.add("Sum", terms)
    if "slopes" in node.weights:
        values = build.model.tensors[node.weights["slopes"]]  # in another shape than a layer that shares them
        slopes = build.constant(f"{node.output}:slopes", np.asarray(values, np.float32)[:, None, None])
        total = build.add("PRelu", [total, slopes])
    else:
        total = build.activated(node, total)
    if total in node.inputs:  # others may read it under its own name
        total = build.add("Identity", [total])
    build.named(total, node.output)


def _pixel_shuffle(build: OnnxBuilder, entry: TypedNode) -> None:
    feature, *skip = entry.node.inputs
    value = build.add("DepthToSpace", [feature], blocksize=SCALE.of(entry.node), mode="CRD")
    build.named(build.add("Add", [value, *skip]) if skip else value, entry.node.output)


def _bicubic_upsample(build: OnnxBuilder, entry: TypedNode) -> None:
    build.add(
        "Resize",
        [entry.node.inputs[0], "", _scales(build, entry)],
        entry.node.output,
        mode="cubic",
        cubic_coeff_a=-0.75,
        coordinate_transformation_mode="half_pixel",
    )


def _scales(build: OnnxBuilder, entry: TypedNode) -> str:
    """The factors by which each axis grows."""
    scale = SCALE.of(entry.node)
    return build.constant(f"{entry.node.output}:scales", np.array([1, 1, scale, scale], np.float32))


RULES: dict[str, Rule] = {
    "image": _image,
    "conv2d": _conv2d,
    "masked_conv2d": masked_conv2d,
    "depthwise_conv3x3": _depthwise_conv3x3,
    "avg_pool2x2": _avg_pool2x2,
    "conv_transpose2x": _conv_transpose2x,
    "spatial_mask": spatial_mask,
    "global_mean": _global_mean,
    "channel_attention": _channel_attention,
    "scale_add": _scale_add,
    "add": _add,
    "bilinear_upsample": bilinear_upsample,
    "unfold3x3": unfold3x3,
    "fold3x3": fold3x3,
    "layer_norm": layer_norm,
    "segment_attention": segment_attention,
    "nearest_upsample": _nearest_upsample,
    "sigmoid": _sigmoid,
    "pixel_shuffle": _pixel_shuffle,
    "bicubic_upsample": _bicubic_upsample,
}
"""Conversion rule of each operation, by name."""
