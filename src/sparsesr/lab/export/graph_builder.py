"""Builder of a model file's graph; weights stay float64 until everything is folded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import FULL, Resolution, ValueType
from sparsesr.modelfile.spec import Graph, Node

Weights = npt.NDArray[np.float64]


class GraphBuilder:
    """A graph under construction. Implements :class:`sparsesr.lab.nn.lowering.Lowering`."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.tensors: dict[str, Weights] = {}
        self._stored: list[tuple[Tensor, str]] = []

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        weights: Mapping[str, Tensor | None] | None = None,
        **attrs: Any,
    ) -> str:
        """Append a node and return ``output``; weights that are None are omitted."""
        present = {role: tensor for role, tensor in (weights or {}).items() if tensor is not None}
        names = {role: self._store(tensor, f"{output}.{role}") for role, tensor in present.items()}
        self.nodes.append(Node(op, tuple(inputs), output, attrs, names))
        return output

    def _store(self, tensor: Tensor, name: str) -> str:
        """Store a tensor and return its name; layers that are used twice are stored once."""
        for known, stored in self._stored:
            if known is tensor:
                return stored
        self.tensors[name] = tensor.detach().cpu().double().numpy().copy()
        self._stored.append((tensor, name))
        return name

    def add_conv(self, conv: nn.Conv2d, inputs: Sequence[str], output: str, **attrs: Any) -> str:
        """Append an ordinary convolution; ModelError if the runtime does not support it."""
        check_conv(conv, output)
        weights = {"weight": conv.weight, "bias": conv.bias}
        self.add("conv2d", inputs, output, weights, kernel=max(conv.kernel_size), **attrs)
        self.widen(output, max(conv.kernel_size))
        return output

    def channels(self, output: str) -> int:
        """Number of channels of a map."""
        return self._type(output).channels

    def resolution(self, output: str) -> Resolution:
        """Size of a map relative to the image."""
        return self._type(output).resolution or FULL

    def _type(self, output: str) -> ValueType:
        """Type of a tensor, inferred from all nodes that it depends on."""
        shapes = {name: tensor.shape for name, tensor in self.tensors.items()}
        types: dict[str, ValueType] = {}
        for node in Graph("", output, tuple(self.nodes)).only(output).nodes:
            inputs = [types[name] for name in node.inputs]
            types[node.output] = operation_of(node).type_node(node, inputs, shapes).output
        return types[output]

    def own(self, output: str, role: str) -> None:
        """Give a node its own copy of a shared weight, so that it can be changed."""
        node = self.node(output)
        name = node.weights[role]
        self._stored = [(tensor, stored) for tensor, stored in self._stored if stored != name]
        if any(name in other.weights.values() for other in self.nodes if other is not node):
            node.weights[role] = f"{output}.{role}.own"
            self.tensors[node.weights[role]] = self.tensors[name].copy()

    def widen(self, output: str, side: int) -> None:
        """Pad a 1x1, 1x3 or 3x1 kernel with zeros to side x side."""
        node = self.node(output)
        weight = self.tensors[node.weights["weight"]]
        rows, columns = ((side - size) // 2 for size in weight.shape[2:])
        if rows or columns:
            around = ((0, 0), (0, 0), (rows, rows), (columns, columns))
            self.tensors[node.weights["weight"]] = np.pad(weight, around)
        self.change(output, kernel=side)

    def operation(self, output: str) -> str:
        """Name of the operation that produces a tensor."""
        return self.node(output).op

    def node(self, output: str) -> Node:
        """The node that produces a tensor."""
        return next(node for node in self.nodes if node.output == output)

    def change(self, output: str, inputs: Sequence[str] | None = None, **attrs: Any) -> None:
        """Replace the inputs of a node, or set attributes."""
        index = next(index for index, node in enumerate(self.nodes) if node.output == output)
        node = self.nodes[index]
        inputs = node.inputs if inputs is None else tuple(inputs)
        self.nodes[index] = replace(node, inputs=tuple(inputs), attrs={**node.attrs, **attrs})

    def remove(self, output: str) -> None:
        """Remove a node that nothing reads, with the tensors that only it uses."""
        node = self.node(output)
        self.nodes.remove(node)
        used = {name for other in self.nodes for name in other.weights.values()}
        for name in set(node.weights.values()) - used:
            del self.tensors[name]
            self._stored = [(tensor, stored) for tensor, stored in self._stored if stored != name]

    def move_to_end(self, output: str) -> None:
        """Compute a node last; nothing may read it yet."""
        node = self.node(output)
        self.nodes.remove(node)
        self.nodes.append(node)

    def mask(self, output: str, mask: str) -> None:
        """Compute a convolution at the active pixels of a mask only; elsewhere its result is zero."""
        index = next(index for index, node in enumerate(self.nodes) if node.output == output)
        node = self.nodes[index]
        channels = {"dense_in": [self.channels(name) for name in node.inputs], "dense_out": 0}
        self.nodes[index] = replace(
            node, op="masked_conv2d", inputs=(mask, *node.inputs), attrs={**node.attrs, **channels}
        )

    def is_before(self, first: str, second: str) -> bool:
        """True if ``first`` is produced before ``second``."""
        order = [node.output for node in self.nodes]
        return order.index(first) < order.index(second)

    def scale_conv(self, output: str, factor: float, shift: Weights | None = None) -> None:
        """Fold ``factor * result + shift`` (one shift per output channel) into a convolution."""
        node = self.node(output)
        for role in node.weights:
            self.own(output, role)
        self.tensors[node.weights["weight"]] *= factor
        bias = self.tensors.get(node.weights.get("bias", ""), np.zeros(1)) * factor
        if shift is not None:
            bias = bias + shift
        if "bias" in node.weights or bias.any():
            name = node.weights.setdefault("bias", f"{output}.bias")
            self.tensors[name] = bias

    def hoist(self, outputs: Collection[str]) -> None:
        """Move the nodes with these outputs directly behind the last of their inputs."""
        for node in [node for node in self.nodes if node.output in outputs]:
            self.nodes.remove(node)
            order = [other.output for other in self.nodes]
            at = max(order.index(name) for name in node.inputs)
            self.nodes.insert(at + 1, node)

    def graph(self, image: str, output: str) -> tuple[Graph, dict[str, npt.NDArray[np.float32]]]:
        """The finished graph and its float32 tensors.

        Raises:
            ModelError: a weight is not finite.
        """
        tensors = {name: tensor.astype(np.float32) for name, tensor in self.tensors.items()}
        bad = [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
        if bad:
            raise ModelError(f"weights {bad[0]} hold values that are not finite; the training diverged")
        return Graph(image, output, tuple(self.nodes)), tensors


def is_depthwise(conv: nn.Conv2d) -> bool:
    """True for a depthwise convolution that the runtime supports: 3x3, stride 1, zero padding."""
    has_own_kernels = conv.groups == conv.in_channels == conv.out_channels > 1
    return has_own_kernels and conv.kernel_size == (3, 3) and all(_requirements(conv).values())


def _requirements(conv: nn.Conv2d) -> dict[str, bool]:
    """What convolutions of every kind must be."""
    rows, columns = conv.kernel_size
    padding = conv.padding if isinstance(conv.padding, str) else tuple(conv.padding)
    same = padding == "same" or padding == (rows // 2, columns // 2)
    return {
        "a kernel of 1x1 or 3x3 (or 1x3, 3x1)": {rows, columns} <= {1, 3},
        "stride 1": tuple(conv.stride) == (1, 1),
        "padding of half the kernel": same and conv.padding_mode == "zeros",
        "no dilation": tuple(conv.dilation) == (1, 1),
    }


def check_conv(conv: nn.Conv2d, name: str) -> None:
    """Raise ModelError unless the runtime supports this convolution: 1x1 or 3x3, stride 1, zero padding."""
    requirements = {
        **_requirements(conv),
        "no groups, or with a 3x3 kernel as many as channels": conv.groups == 1,
    }
    unmet = [requirement for requirement, is_met in requirements.items() if not is_met]
    if unmet:
        raise ModelError(f"{name} (Conv2d): the runtime's convolution has {unmet[0]}; got {conv}")
