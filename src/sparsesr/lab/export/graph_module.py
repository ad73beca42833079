"""Model graph executed in torch: the reference for the native runtime, op by op and as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.modelfile.operations.attributes import (
    ACCUMULATE,
    ACTIVATION,
    DENSE_IN,
    DENSE_OUT,
    EPSILON,
    FACTORS,
    HEADS,
    OFFSET,
    RESIDUAL,
    SCALE,
    SCORE_SCALE,
    SEGMENTS,
    SLOPE,
)
from sparsesr.modelfile.operations.conv2d import has_addend
from sparsesr.modelfile.operations.registry import feature_inputs, operation_of
from sparsesr.modelfile.operations.segment_attention import segment_tokens
from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.modelfile.padding import padding_of
from sparsesr.modelfile.spec import ModelFile, Node
from sparsesr.modelfile.validation import typed_nodes

Weights = Mapping[str, Tensor]
Values = Mapping[str, Tensor]
"""Tensors of the graph by name: maps (1, C, H, W), masks (1, 1, H, W) of 0 and 1, vectors (1, C, 1, 1)."""


class GraphModule(nn.Module):
    """Input (1, 3, H, W) in 0..1, both sizes multiples of ``size_multiple``; output scale times larger."""

    def __init__(self, model: ModelFile) -> None:
        super().__init__()
        self.model = model
        self.names = {name: f"tensor_{index}" for index, name in enumerate(sorted(model.tensors))}
        for name, attribute in self.names.items():
            self.register_buffer(attribute, torch.tensor(model.tensors[name]))
        #: Smaller images are padded to this size, as in the runtime.
        self.least_size_px = padding_of(model.facts, typed_nodes(model.graph, model.tensors)).least_px
        #: Masks of the last forward pass by tensor name, (1, 1, H, W).
        self.last_masks: dict[str, Tensor] = {}
        #: Masks used instead of the predicted ones, by tensor name.
        self.forced_masks: dict[str, Tensor] = {}

    def forward(self, image_13HW: Tensor) -> Tensor:
        """Run all nodes; tensors are released after their last use."""
        last_use = {name: node for node in self.model.graph.nodes for name in node.inputs}
        values: dict[str, Tensor] = {}
        self.last_masks = {}
        for node in self.model.graph.nodes:
            values[node.output] = self._run(node, values, image_13HW)
            for name in node.inputs:
                if last_use[name] is node:
                    values.pop(name, None)
        return values[self.model.graph.output]

    def _run(self, node: Node, values: Values, image_13HW: Tensor) -> Tensor:
        inputs = [values[name] for name in node.inputs] or [image_13HW]
        weights = {role: getattr(self, self.names[name]) for role, name in node.weights.items()}
        result = RULES[node.op](node, inputs, weights)
        if operation_of(node).produces is Kind.MASK:
            result = self.forced_masks.get(node.output, result)
            self.last_masks[node.output] = result
        return result


def graph_module(model: ModelFile) -> GraphModule:
    """The graph of a model file as a torch module in evaluation mode."""
    return GraphModule(model).eval()


def _activate(node: Node, value: Tensor) -> Tensor:
    if ACTIVATION.of(node) == "relu":
        return functional.relu(value)
    return functional.leaky_relu(value, SLOPE.of(node)) if ACTIVATION.of(node) == "leaky_relu" else value


def _image(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    return inputs[0] - inputs[0].new_tensor(OFFSET.of(node)).reshape(1, 3, 1, 1)


def _conv2d(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    features = inputs[: len(feature_inputs(node))]
    value = functional.conv2d(_side_by_side(features), weights["weight"], weights.get("bias"), padding="same")
    if has_addend(node) and ACCUMULATE.of(node):
        value = value + inputs[-1]
    value = _activate(node, value)
    return value + inputs[-1] if RESIDUAL.of(node) else value


def _masked_conv2d(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    mask, *features = inputs
    weight, bias = weights["weight"], weights.get("bias")
    active = functional.conv2d(_side_by_side(features), weight, bias, padding="same")
    inactive = torch.zeros_like(active)
    rows, columns = DENSE_OUT.of(node), _dense_columns(features, DENSE_IN.of(node))
    if rows and columns:  # torch cannot convolve zero channels
        dense = [feature[:, :n] for feature, n in zip(features, DENSE_IN.of(node), strict=True)]
        inactive[:, :rows] = functional.conv2d(_side_by_side(dense), weight[:rows, columns], padding="same")
    if bias is not None:
        inactive[:, :rows] += bias[:rows].reshape(1, -1, 1, 1)
    return _activate(node, torch.where(mask > 0, active, inactive))


def _dense_columns(features: Sequence[Tensor], dense_in: Sequence[int]) -> list[int]:
    columns: list[int] = []
    first = 0
    for feature, dense in zip(features, dense_in, strict=True):
        columns += range(first, first + dense)
        first += feature.shape[1]
    return columns


def _side_by_side(features: Sequence[Tensor]) -> Tensor:
    return features[0] if len(features) == 1 else torch.cat(list(features), dim=1)


def _conv_transpose2x(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    return functional.conv_transpose2d(
        inputs[0], weights["weight"], weights.get("bias"), stride=2, padding=1, output_padding=1
    )


def _spatial_mask(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    return (inputs[0][:, 1:2] > inputs[0][:, 0:1]).to(inputs[0].dtype)


def _channel_attention(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    hidden = functional.relu(functional.linear(inputs[0].flatten(1), weights["w1"], weights["b1"]))
    return torch.sigmoid(functional.linear(hidden, weights["w2"], weights["b2"]))[:, :, None, None]


def _add(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    factors = FACTORS.of(node) or [1.0] * len(inputs)
    total = sum((x * factor for x, factor in zip(inputs, factors, strict=True)), torch.zeros(()))
    return functional.prelu(total, weights["slopes"]) if "slopes" in weights else _activate(node, total)


def _pixel_shuffle(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    value = functional.pixel_shuffle(inputs[0], SCALE.of(node))
    return value if len(inputs) == 1 else value + inputs[1]


def _bicubic_upsample(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    return functional.interpolate(inputs[0], scale_factor=SCALE.of(node), mode="bicubic", align_corners=False)


def _bilinear_upsample(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    size = inputs[1].shape[2:]
    return functional.interpolate(inputs[0], size=size, mode="bilinear", align_corners=True)


def _unfold(feat_BCHW: Tensor) -> Tensor:
    return functional.unfold(feat_BCHW, 3, padding=1).unflatten(2, feat_BCHW.shape[2:])


def _fold(feat_BCHW: Tensor) -> Tensor:
    return functional.fold(feat_BCHW.flatten(2), feat_BCHW.shape[2:], 3, padding=1)


def _layer_norm(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    channels_last = inputs[0].permute(0, 2, 3, 1)
    size = channels_last.shape[3:]
    normed = functional.layer_norm(channels_last, size, weights["weight"], weights["bias"], EPSILON.of(node))
    return normed.permute(0, 3, 1, 2)


def _segment_attention(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    tokens_BCN = inputs[0].flatten(2)
    length = segment_tokens(tokens_BCN.shape[2], SEGMENTS.of(node))
    qkv_3BMNd = tokens_BCN.unflatten(1, (3, HEADS.of(node), -1)).permute(1, 0, 2, 4, 3)
    attended = [
        functional.scaled_dot_product_attention(part[0], part[1], part[2], scale=SCORE_SCALE.of(node))
        for part in qkv_3BMNd.split(length, dim=3)
    ]
    return torch.cat(attended, dim=2).transpose(2, 3).flatten(1, 2).unflatten(2, inputs[0].shape[2:])


def _depthwise_conv3x3(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    weight = weights["weight"]
    value = functional.conv2d(inputs[0], weight, weights.get("bias"), padding=1, groups=len(weight))
    return _activate(node, value)


def _nearest_upsample(node: Node, inputs: Sequence[Tensor], weights: Weights) -> Tensor:
    scale = SCALE.of(node)
    return inputs[0].repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)


RULES: dict[str, Callable[[Node, Sequence[Tensor], Weights], Tensor]] = {
    "image": _image,
    "conv2d": _conv2d,
    "masked_conv2d": _masked_conv2d,
    "depthwise_conv3x3": _depthwise_conv3x3,
    "avg_pool2x2": lambda node, inputs, weights: functional.avg_pool2d(inputs[0], 2),
    "conv_transpose2x": _conv_transpose2x,
    "spatial_mask": _spatial_mask,
    "global_mean": lambda node, inputs, weights: inputs[0].mean(dim=(2, 3), keepdim=True),
    "channel_attention": _channel_attention,
    "scale_add": lambda node, inputs, weights: sum(inputs[2:], inputs[0] * inputs[1]),
    "bilinear_upsample": _bilinear_upsample,
    "unfold3x3": lambda node, inputs, weights: _unfold(inputs[0]),
    "fold3x3": lambda node, inputs, weights: _fold(inputs[0]),
    "layer_norm": _layer_norm,
    "segment_attention": _segment_attention,
    "add": _add,
    "nearest_upsample": _nearest_upsample,
    "sigmoid": lambda node, inputs, weights: torch.sigmoid(inputs[0]),
    "pixel_shuffle": _pixel_shuffle,
    "bicubic_upsample": _bicubic_upsample,
}
"""Implementation of each operation by name; a node without inputs gets the image as its only input."""
