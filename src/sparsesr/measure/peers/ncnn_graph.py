"""Writer of dense models in ncnn's format: ``model.param`` (layers as text) and ``model.bin`` (weights)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparsesr.errors import UsageError
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
from sparsesr.modelfile.operations.registry import feature_inputs, operation_of
from sparsesr.modelfile.spec import ModelFile, Node

INPUT, OUTPUT = "image_in", "image_out"
_MAGIC = 7767517
_FLOAT32_TAG = np.zeros(1, np.uint32).tobytes()
_ADD = {0: 0}
_DYNAMIC_SCALE = {0: -233}  # the second input holds the factors


@dataclass
class _Builder:
    model: ModelFile
    readers: Counter[str]
    lines: list[str] = field(default_factory=list[str])
    blobs: int = 0
    data: list[bytes] = field(default_factory=list[bytes])
    taken: Counter[str] = field(default_factory=Counter[str])

    def layer(
        self, kind: str, inputs: Sequence[str], output: str, settings: Mapping[int, object] | None = None
    ) -> str:
        """Add a layer, with a copy of its output for each reader: a blob of ncnn has a single reader."""
        read = [self._take(name) for name in inputs]
        self._write(kind, output, read, [output], settings or {})
        copies = self.readers[output]
        if copies > 1:
            names = [f"{output}_copy{index}" for index in range(copies)]
            self._write("Split", f"{output}_split", [output], names, {})
        return output

    def _take(self, name: str) -> str:
        index = self.taken[name]
        self.taken[name] += 1
        return f"{name}_copy{index}" if self.readers[name] > 1 else name

    def _write(
        self, kind: str, name: str, inputs: list[str], outputs: list[str], settings: Mapping[int, object]
    ) -> None:
        words = [f"{key}={value}" for key, value in settings.items()]
        counts = [str(len(inputs)), str(len(outputs))]
        self.lines.append(" ".join([kind, name, *counts, *inputs, *outputs, *words]))
        self.blobs += len(outputs)

    def weight(self, node: Node, role: str) -> npt.NDArray[np.float32]:
        """Store a matrix or kernel, preceded by a tag for its type."""
        value = np.ascontiguousarray(self.model.tensors[node.weights[role]], np.float32)
        self.data += [_FLOAT32_TAG, value.tobytes()]
        return value

    def vector(self, value: npt.ArrayLike) -> None:
        """Store a vector, which has no tag."""
        self.data.append(np.ascontiguousarray(value, np.float32).tobytes())


def write_ncnn(model: ModelFile, folder: Path) -> None:
    """Write both files of a model without masks, see :func:`sparsesr.interchange.dense_model.dense_model`.

    Raises:
        UsageError: the model has an operation without a rule here.
    """
    readers = Counter(name for node in model.graph.nodes for name in node.inputs)
    build = _Builder(model, readers)
    readers[INPUT] = sum(operation_of(node).is_source for node in model.graph.nodes)
    build.layer("Input", [], INPUT)
    for node in model.graph.nodes:
        rule = RULES.get(node.op)
        if rule is None:
            raise UsageError(f"{model.facts.name} has the operation {node.op}, which has no rule for peers")
        rule(build, node)
    readers[model.graph.output] = 1
    build.layer("Noop", [model.graph.output], OUTPUT)
    head = f"{_MAGIC}\n{len(build.lines)} {build.blobs}\n"
    (folder / "model.param").write_text(head + "\n".join(build.lines) + "\n", encoding="ascii")
    (folder / "model.bin").write_bytes(b"".join(build.data))


def _image(build: _Builder, node: Node) -> None:
    build.layer("Bias", [INPUT], node.output, {0: 3})
    build.vector([-value for value in OFFSET.of(node)])


def _conv2d(build: _Builder, node: Node) -> None:
    features, name = list(feature_inputs(node)), node.output
    if len(features) > 1:
        features = [build.layer("Concat", features, f"{name}_concat", {0: 0})]
    adds_first = has_addend(node) and ACCUMULATE.of(node)
    last = f"{name}_conv" if has_addend(node) else name
    weight = build.model.tensors[node.weights["weight"]]
    settings: dict[int, object] = {0: weight.shape[0], 1: KERNEL.of(node), 4: KERNEL.of(node) // 2}
    settings |= {5: int("bias" in node.weights), 6: weight.size}
    build.layer("Convolution", features, last, settings | ({} if adds_first else _activation(node)))
    build.weight(node, "weight")
    if "bias" in node.weights:
        build.vector(build.model.tensors[node.weights["bias"]])
    if adds_first:
        has_activation = ACTIVATION.of(node) != "none"
        last = build.layer(
            "BinaryOp", [last, node.inputs[-1]], f"{name}_sum" if has_activation else name, _ADD
        )
        if has_activation:
            build.layer(
                "ReLU", [last], name, {0: SLOPE.of(node) if ACTIVATION.of(node) == "leaky_relu" else 0.0}
            )
    elif RESIDUAL.of(node):
        build.layer("BinaryOp", [last, node.inputs[-1]], name, _ADD)


def _activation(node: Node) -> dict[int, object]:
    """Settings of an activation fused into the convolution."""
    if ACTIVATION.of(node) == "leaky_relu":
        return {9: 2, -23310: f"1,{SLOPE.of(node)}"}
    return {9: 1} if ACTIVATION.of(node) == "relu" else {}


def _depthwise_conv3x3(build: _Builder, node: Node) -> None:
    weight = build.model.tensors[node.weights["weight"]]
    settings: dict[int, object] = {0: len(weight), 1: 3, 4: 1, 5: int("bias" in node.weights), 6: weight.size}
    settings |= {7: len(weight)}
    build.layer("ConvolutionDepthWise", node.inputs, node.output, settings | _activation(node))
    build.weight(node, "weight")
    if "bias" in node.weights:
        build.vector(build.model.tensors[node.weights["bias"]])


def _nearest_upsample(build: _Builder, node: Node) -> None:
    scale = float(SCALE.of(node))
    build.layer("Interp", node.inputs, node.output, {0: 1, 1: scale, 2: scale})


def _sigmoid(build: _Builder, node: Node) -> None:
    build.layer("Sigmoid", node.inputs, node.output)


def _channel_attention(build: _Builder, node: Node) -> None:
    last = node.inputs[0]
    for index, (name, function) in enumerate(((f"{node.output}_hidden", 1), (node.output, 4)), start=1):
        weight = build.model.tensors[node.weights[f"w{index}"]]
        settings: dict[int, object] = {0: weight.shape[0], 1: 1, 2: weight.size, 9: function}
        last = build.layer("InnerProduct", [last], name, settings)
        build.weight(node, f"w{index}")
        build.vector(build.model.tensors[node.weights[f"b{index}"]])


def _scale_add(build: _Builder, node: Node) -> None:
    feature, vector, *residual = node.inputs
    name = f"{node.output}_scaled" if residual else node.output
    build.layer("Scale", [feature, vector], name, _DYNAMIC_SCALE)
    if residual:
        build.layer("BinaryOp", [name, residual[0]], node.output, _ADD)


def _pixel_shuffle(build: _Builder, node: Node) -> None:
    skip = node.inputs[1:]
    name = f"{node.output}_shuffled" if skip else node.output
    build.layer("PixelShuffle", [node.inputs[0]], name, {0: SCALE.of(node)})
    if skip:
        build.layer("BinaryOp", [name, skip[0]], node.output, _ADD)


def _bicubic(build: _Builder, node: Node) -> None:
    scale = float(SCALE.of(node))
    build.layer("Interp", [node.inputs[0]], node.output, {0: 3, 1: scale, 2: scale})


def _global_mean(build: _Builder, node: Node) -> None:
    build.layer("Pooling", [node.inputs[0]], node.output, {0: 1, 4: 1})


RULES: dict[str, Callable[[_Builder, Node], None]] = {
    "image": _image,
    "conv2d": _conv2d,
    "depthwise_conv3x3": _depthwise_conv3x3,
    "global_mean": _global_mean,
    "channel_attention": _channel_attention,
    "scale_add": _scale_add,
    "nearest_upsample": _nearest_upsample,
    "sigmoid": _sigmoid,
    "pixel_shuffle": _pixel_shuffle,
    "bicubic_upsample": _bicubic,
}
"""Writing rule of each operation, by name."""
