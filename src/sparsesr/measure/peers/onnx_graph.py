"""Conversion of dense models to ONNX, for runtimes that read it. Needs the package ``onnx``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import UsageError
from sparsesr.measure.peers import package
from sparsesr.modelfile.operations.attributes import (
    ACCUMULATE,
    ACTIVATION,
    KERNEL,
    OFFSET,
    RESIDUAL,
    SCALE,
    SLOPE,
)
from sparsesr.modelfile.operations.conv2d import has_addend
from sparsesr.modelfile.operations.registry import feature_inputs
from sparsesr.modelfile.spec import ModelFile, Node

_OPSET, _IR_VERSION = 17, 8  # supported by all of the runtimes
INPUT = "input"


@dataclass
class _Builder:
    model: ModelFile
    nodes: list[Any] = field(default_factory=list[Any])
    constants: dict[str, npt.NDArray[Any]] = field(default_factory=dict[str, "npt.NDArray[Any]"])

    def add(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(package("onnx").helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants[name] = value
        return name

    def weights(self, node: Node, *roles: str) -> list[str]:
        """Store a node's weights unchanged and return their names, without absent ones."""
        names = [node.weights[role] for role in roles if role in node.weights]
        return [self.constant(name, np.asarray(self.model.tensors[name], np.float32)) for name in names]

    def activated(self, node: Node, name: str, output: str) -> str:
        if ACTIVATION.of(node) == "relu":
            return self.add("Relu", [name], output)
        return self.add("LeakyRelu", [name], output, alpha=SLOPE.of(node))


def to_onnx(model: ModelFile, height: int, width: int) -> Any:
    """Build an ``onnx.ModelProto`` with input (1, 3, height, width) in 0..1.

    Args:
        model: a model without masks, see :func:`sparsesr.measure.peers.dense_model.dense_model`.
        height: rows; the shape is fixed, since runtimes optimise best for a fixed shape.
        width: columns.

    Raises:
        UsageError: the model has an operation without a rule here.
    """
    onnx = package("onnx")
    helper, float_type = onnx.helper, onnx.TensorProto.FLOAT
    build = _Builder(model)
    for node in model.graph.nodes:
        rule = RULES.get(node.op)
        if rule is None:
            raise UsageError(f"{model.facts.name} has the operation {node.op}, which has no rule for peers")
        rule(build, node)
    scale = model.facts.scale
    graph = helper.make_graph(
        build.nodes,
        model.facts.name,
        [helper.make_tensor_value_info(INPUT, float_type, [1, 3, height, width])],
        [
            helper.make_tensor_value_info(
                model.graph.output, float_type, [1, 3, scale * height, scale * width]
            )
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in build.constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


def _image(build: _Builder, node: Node) -> None:
    offset = np.array(OFFSET.of(node), np.float32).reshape(1, 3, 1, 1)
    build.add("Sub", [INPUT, build.constant(f"{node.output}.offset", offset)], node.output)


def _conv2d(build: _Builder, node: Node) -> None:
    features = list(feature_inputs(node))
    name, reach = node.output, KERNEL.of(node) // 2
    if len(features) > 1:
        features = [build.add("Concat", features, f"{name}.concat", axis=1)]
    has_activation = ACTIVATION.of(node) != "none"
    steps = 1 + has_activation + has_addend(node)
    names = [f"{name}.step{index}" for index in range(1, steps)] + [name]
    last = build.add(
        "Conv",
        features + build.weights(node, "weight", "bias"),
        names.pop(0),
        kernel_shape=[KERNEL.of(node)] * 2,
        pads=[reach] * 4,
    )
    if has_addend(node) and ACCUMULATE.of(node):
        last = build.add("Add", [last, node.inputs[-1]], names.pop(0))
    if has_activation:
        last = build.activated(node, last, names.pop(0))
    if RESIDUAL.of(node):
        build.add("Add", [last, node.inputs[-1]], names.pop(0))


def _channel_attention(build: _Builder, node: Node) -> None:
    name, last = node.output, node.inputs[0]
    for index, function in (("1", "Relu"), ("2", "Sigmoid")):
        weight, bias = build.weights(node, f"w{index}", f"b{index}")
        build.constants[weight] = build.constants[weight][:, :, None, None]
        hidden = build.add("Conv", [last, weight, bias], f"{name}.layer{index}", kernel_shape=[1, 1])
        last = build.add(function, [hidden], name if function == "Sigmoid" else f"{name}.hidden")


def _scale_add(build: _Builder, node: Node) -> None:
    feature, vector, *residual = node.inputs
    if not residual:
        build.add("Mul", [feature, vector], node.output)
        return
    scaled = build.add("Mul", [feature, vector], f"{node.output}.scaled")
    build.add("Add", [scaled, residual[0]], node.output)


def _pixel_shuffle(build: _Builder, node: Node) -> None:
    scale, skip = SCALE.of(node), node.inputs[1:]
    name = f"{node.output}.shuffled" if skip else node.output
    build.add("DepthToSpace", [node.inputs[0]], name, blocksize=scale, mode="CRD")
    if skip:
        build.add("Add", [name, skip[0]], node.output)


def _bicubic(build: _Builder, node: Node) -> None:
    scale = float(SCALE.of(node))
    scales = build.constant(f"{node.output}.scales", np.array([1, 1, scale, scale], np.float32))
    build.add(
        "Resize",
        [node.inputs[0], "", scales],
        node.output,
        mode="cubic",
        cubic_coeff_a=-0.75,
        coordinate_transformation_mode="half_pixel",
    )


RULES: dict[str, Callable[[_Builder, Node], None]] = {
    "image": _image,
    "conv2d": _conv2d,
    "global_mean": lambda build, node: _plain(build, node, "GlobalAveragePool"),
    "channel_attention": _channel_attention,
    "scale_add": _scale_add,
    "pixel_shuffle": _pixel_shuffle,
    "bicubic_upsample": _bicubic,
}
"""Conversion rule of each operation, by name."""


def _plain(build: _Builder, node: Node, op: str) -> None:
    build.add(op, node.inputs, node.output)
