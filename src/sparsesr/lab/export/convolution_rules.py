"""Convolutions, what is fused into them, and parallel ones that become one.

Several convolutions of the same input that are only added are one convolution with the sum of their kernels, if
strides, paddings and thus borders agree (structural re-parameterisation; ACNet's 1x3 + 3x1 + 3x3 branches). The sums
are formed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from sparsesr.errors import ModelError
from sparsesr.lab.export.graph_builder import check_conv
from sparsesr.lab.export.lowering_state import State
from sparsesr.lab.export.values import Concat, LRPicture, Map, Value
from sparsesr.modelfile.operations.attributes import KERNEL


def conv(state: State, module: nn.Conv2d, name: str, inputs: Sequence[Any]) -> Value:
    """A convolution; takes in the scale of a picture, and splits a 1x1 over a concatenation into a chain."""
    (value,) = inputs
    if isinstance(value, LRPicture):
        state.build.add_conv(module, [state.picture_node(value)], name)
        if value.factor != 1:
            state.build.own(name, "weight")
            state.build.tensors[state.build.node(name).weights["weight"]] *= value.factor
        return Map(name)
    if not isinstance(value, Concat):
        return Map(state.build.add_conv(module, [state.map_name(value)], name))
    if module.kernel_size != (1, 1):
        return Map(state.build.add_conv(module, value.names, name))
    return _chain(state, module, name, value)


def _chain(state: State, module: nn.Conv2d, name: str, value: Concat) -> Map:
    """Sum of one 1x1 convolution per part, so that no part has to be kept until the last is there."""
    check_conv(module, name)
    parts = module.weight.split(_channels(state, value, module, name), dim=1)
    link = ""
    for index, (part, weight) in enumerate(zip(value.names, parts, strict=True)):
        is_first, is_last = index == 0, index == len(parts) - 1
        output = name if is_last else f"{name}.{index}"
        weights = {"weight": weight, "bias": module.bias if is_first else None}
        addend, attrs = ([], {}) if is_first else ([link], {"accumulate": True})
        link = state.build.add("conv2d", [part, *addend], output, weights, kernel=1, **attrs)
        state.links.add(link)
    return Map(link)


def _channels(state: State, value: Concat, module: nn.Conv2d, name: str) -> list[int]:
    sizes = [state.build.channels(part) for part in value.names]
    if sum(sizes) != module.in_channels:
        raise ModelError(f"{name}: {module.in_channels} channels in, its inputs have {sum(sizes)}")
    return sizes


# --- activations ---


def relu(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Fused into what it follows, where nothing else reads that."""
    return activate(state, inputs[0], name, activation="relu")


def leaky_relu(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Fused into what it follows, where nothing else reads that."""
    slope = module.negative_slope if module is not None else 0.01
    return activate(state, inputs[0], name, activation="leaky_relu", slope=float(slope))


def prelu(state: State, module: nn.PReLU, name: str, inputs: Sequence[Any]) -> Value:
    """With one slope a leaky ReLU; with one per channel a node of its own."""
    if module.num_parameters == 1:
        return activate(state, inputs[0], name, activation="leaky_relu", slope=float(module.weight))
    source = state.map_name(inputs[0])
    return Map(
        state.build.add("add", [source], name, {"slopes": module.weight}, activation="leaky_relu", slope=0.0)
    )


def activate(state: State, value: object, name: str, **attrs: Any) -> Value:
    """Set the activation of the node that a value is, or append one."""
    source = state.map_name(value)
    target = _fusible(state, value)
    if target is None or state.build.node(target).attrs.get("activation", "none") != "none":
        return Map(state.build.add("add", [source], name, **attrs))
    if state.build.node(target).attrs.get("residual"):  # act(conv + x), not act(conv) + x
        attrs = {**attrs, "residual": False, "accumulate": True}
    state.build.change(target, **attrs)
    return Map(source)


def _fusible(state: State, value: object) -> str | None:
    """The node that can take in an activation; that before a pixel shuffle, which only moves values."""
    if any(state.is_read_once(value, op) for op in ("conv2d", "add")):
        return state.map_name(value)
    if not state.is_read_once(value, "pixel_shuffle"):
        return None
    inputs = state.build.node(state.map_name(value)).inputs
    before = Map(inputs[0])
    return before.name if len(inputs) == 1 and state.is_read_once(before, "conv2d") else None


# --- parallel convolutions ---


def can_fold(state: State, first: object, second: object) -> bool:
    """True for two convolutions of the same input with nothing behind them, read by their sum only."""
    if not state.folds or not (state.can_fuse(first) and state.can_fuse(second)):
        return False
    nodes = [state.build.node(state.map_name(value)) for value in (first, second)]
    is_plain = all(
        node.attrs.get("activation", "none") == "none" and not node.attrs.get("accumulate") for node in nodes
    )
    return is_plain and nodes[0] is not nodes[1] and nodes[0].inputs == nodes[1].inputs


def fold(state: State, first: object, second: object) -> Map:
    """Add the second convolution's weights to the first's."""
    build = state.build
    kept, gone = build.node(state.map_name(first)), build.node(state.map_name(second))
    if build.channels(kept.output) != build.channels(gone.output):
        raise ModelError("adds maps with different channels")
    kernel = max(KERNEL.of(kept), KERNEL.of(gone))
    for node in (kept, gone):
        build.own(node.output, "weight")
        build.widen(node.output, kernel)
    build.tensors[kept.weights["weight"]] += build.tensors[gone.weights["weight"]]
    if "bias" in gone.weights:
        build.scale_conv(kept.output, 1.0, build.tensors[gone.weights["bias"]])
    build.remove(gone.output)
    return Map(kept.output)


def fuse_addend(state: State, convolved: object, addend: object) -> Map | None:
    """Add a map to a convolution's result, or None if that must be a node of its own."""
    if not state.can_fuse(convolved) or not isinstance(addend, Map):
        return None
    output = state.map_name(convolved)
    if state.build.node(output).attrs.get("accumulate"):
        return None
    if not state.build.is_before(addend.name, output):  # nothing has read the convolution yet: do it later
        state.build.move_to_end(output)
    state.build.change(output, [*state.build.node(output).inputs, addend.name], residual=True)
    return Map(output)
