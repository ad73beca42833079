"""Collects the nodes and constants of an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.extras import package
from sparsesr.modelfile.operations.attributes import ACTIVATION, KERNEL, SLOPE
from sparsesr.modelfile.spec import ModelFile, Node

INPUT, OUTPUT = "input", "output"


@dataclass
class OnnxBuilder:
    """A graph in the making. Its maps are (1, C, H, W), masks (1, 1, H, W) of 0 and 1, vectors (1, C, 1, 1).

    Tensors and maps keep the model's names. What is added has a colon in its name, which no name in a model has.
    """

    model: ModelFile
    image: str = INPUT
    """The image as the network sees it, after padding."""
    nodes: list[Any] = field(default_factory=list[Any])
    constants: dict[str, npt.NDArray[Any]] = field(default_factory=dict[str, "npt.NDArray[Any]"])

    def add(self, op: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output; None: a name that is not taken."""
        name = output or f"{op}:{len(self.nodes)}"
        self.nodes.append(package("onnx").helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def named(self, value: str, name: str) -> str:
        """Give the result of the last node its final name."""
        if self.nodes and list(self.nodes[-1].output) == [value]:
            self.nodes[-1].output[0] = name
            return name
        return self.add("Identity", [value], name)

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """Store an array and return its name."""
        self.constants[name] = value
        return name

    def numbers(self, *values: int) -> str:
        """Store a vector of whole numbers (sizes, axes, positions)."""
        return self.constant(f"int:{'_'.join(map(str, values))}", np.array(values, np.int64))

    def per_channel(self, name: str, values: npt.ArrayLike) -> str:
        """Store one number per channel, for arithmetic with maps."""
        return self.constant(name, np.asarray(values, np.float32).reshape(1, -1, 1, 1))

    def weights(self, node: Node, *roles: str) -> list[str]:
        """Store a node's weights unchanged and return their names, without absent ones."""
        names = [node.weights[role] for role in roles if role in node.weights]
        return [self.constant(name, np.asarray(self.model.tensors[name], np.float32)) for name in names]

    def side_by_side(self, features: Sequence[str]) -> str:
        """Concatenate the channels of maps."""
        return features[0] if len(features) == 1 else self.add("Concat", features, axis=1)

    def convolved(self, node: Node, features: Sequence[str], weights: Sequence[str]) -> str:
        """Concatenate maps and convolve them with zero padding; ``weights``: kernel, and bias if there is one."""
        kernel, inputs = KERNEL.of(node), [self.side_by_side(features), *weights]
        return self.add("Conv", inputs, kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4)

    def activated(self, node: Node, value: str) -> str:
        """Apply a node's activation, if it has one."""
        if ACTIVATION.of(node) == "relu":
            return self.add("Relu", [value])
        if ACTIVATION.of(node) == "leaky_relu":
            return self.add("LeakyRelu", [value], alpha=SLOPE.of(node))
        return value

    def sliced(self, value: str, begin: str, end: str, axes: str) -> str:
        """Cut [begin, end) out of a tensor; all three are names of vectors."""
        return self.add("Slice", [value, begin, end, axes])

    def channels(self, value: str, begin: int, end: int) -> str:
        """Cut the channels [begin, end) out of a map."""
        return self.sliced(value, self.numbers(begin), self.numbers(end), self.numbers(1))

    def sides(self, value: str) -> str:
        """Height and width of a map, as a vector."""
        return self.sliced(self.add("Shape", [value]), self.numbers(2), self.numbers(4), self.numbers(0))
