"""Lowering rules for convolutions: fusion of activations and addends, and folding of parallel convolutions.

Parallel convolutions of one input whose results are only added equal one convolution with the sum of their kernels, if
strides and paddings agree (structural re-parameterisation; ACNet's 1x3 + 3x1 + 3x3 branches). Kernels are summed in
float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from sparsesr.errors import ModelError
from sparsesr.lab.export.graph_builder import check_conv, is_depthwise
from sparsesr.lab.export.lowering_state import LoweringState
from sparsesr.lab.export.values import Concat, FeatureMap, LRImage, Value
from sparsesr.lab.nn.layers.searched_operations import WhereActive
from sparsesr.modelfile.operations.attributes import KERNEL


def conv(state: LoweringState, module: nn.Conv2d, name: str, inputs: Sequence[Any]) -> Value:
    """A convolution; absorbs the factor of an image, and splits a 1x1 over a concatenation into a chain."""
    (value,) = inputs
    if is_depthwise(module):
        weights = {"weight": module.weight, "bias": module.bias}
        return FeatureMap(state.build.add("depthwise_conv3x3", [state.map_name(value)], name, weights))
    if isinstance(value, LRImage):
        state.build.add_conv(module, [state.image_node(value)], name)
        if value.factor != 1:
            state.build.own(name, "weight")
            state.build.tensors[state.build.node(name).weights["weight"]] *= value.factor
        return FeatureMap(name)
    if not isinstance(value, Concat):
        return FeatureMap(state.build.add_conv(module, [state.map_name(value)], name))
    if module.kernel_size != (1, 1):
        return FeatureMap(state.build.add_conv(module, value.names, name))
    return _chain(state, module, name, value)


def _chain(state: LoweringState, module: nn.Conv2d, name: str, value: Concat) -> FeatureMap:
    """Sum of one 1x1 convolution per part, so that parts need not be kept until the last is computed."""
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
    return FeatureMap(link)


def _channels(state: LoweringState, value: Concat, module: nn.Conv2d, name: str) -> list[int]:
    sizes = [state.build.channels(part) for part in value.names]
    if sum(sizes) != module.in_channels:
        raise ModelError(f"{name}: takes {module.in_channels} channels, its inputs have {sum(sizes)}")
    return sizes


# --- activations ---


def relu(state: LoweringState, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """ReLU, fused into the preceding node if nothing else reads that."""
    return activate(state, inputs[0], name, activation="relu")


def leaky_relu(state: LoweringState, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Leaky ReLU, fused into the preceding node if nothing else reads that."""
    slope = module.negative_slope if module is not None else 0.01
    return activate(state, inputs[0], name, activation="leaky_relu", slope=float(slope))


def prelu(state: LoweringState, module: nn.PReLU, name: str, inputs: Sequence[Any]) -> Value:
    """PReLU: with one slope a leaky ReLU, with one per channel a separate node."""
    if module.num_parameters == 1:
        return activate(state, inputs[0], name, activation="leaky_relu", slope=float(module.weight))
    source = state.map_name(inputs[0])
    return FeatureMap(
        state.build.add("add", [source], name, {"slopes": module.weight}, activation="leaky_relu", slope=0.0)
    )


def activate(state: LoweringState, value: object, name: str, **attrs: Any) -> Value:
    """Set the activation of a value's node, or append an activation node."""
    source = state.map_name(value)
    target = _fusible(state, value)
    if target is None or state.build.node(target).attrs.get("activation", "none") != "none":
        return FeatureMap(state.build.add("add", [source], name, **attrs))
    if state.build.node(target).attrs.get("residual"):  # act(conv + x), not act(conv) + x
        attrs = {**attrs, "residual": False, "accumulate": True}
    state.build.change(target, **attrs)
    return FeatureMap(source)


def _fusible(state: LoweringState, value: object) -> str | None:
    """The node that can absorb an activation; before a pixel shuffle, which only moves values, the convolution."""
    if any(state.is_read_once(value, op) for op in ("conv2d", "depthwise_conv3x3", "add")):
        return state.map_name(value)
    if not state.is_read_once(value, "pixel_shuffle"):
        return None
    inputs = state.build.node(state.map_name(value)).inputs
    before = FeatureMap(inputs[0])
    return before.name if len(inputs) == 1 and state.is_read_once(before, "conv2d") else None


# --- masks and factors ---


def where_active(state: LoweringState, module: WhereActive, name: str, inputs: Sequence[Any]) -> Value:
    """The convolution before it becomes a masked one."""
    value, *masks = inputs
    if not masks or masks[0] is None:
        return value
    output = state.map_name(value)
    if not state.can_fuse(value) or state.build.node(output).attrs.get("accumulate"):
        raise ModelError(f"masks {output}, which is no convolution of its own or has other readers")
    state.build.mask(output, state.map_name(masks[0]))
    return FeatureMap(output)


def scale(state: LoweringState, value: object, name: str, factor: float) -> FeatureMap:
    """Multiply a map by a number: fold it into the convolutions that make the map, or append a node."""
    source = state.map_name(value)
    if _absorbs_factor(state, value, factor):
        _scale_sum(state, source, factor)
        return FeatureMap(source)
    return FeatureMap(state.build.add("add", [source], name, factors=[factor]))


def _absorbs_factor(state: LoweringState, value: object, factor: float) -> bool:
    """True for a convolution of one reader, if its activation lets a factor pass and its addend absorbs it too."""
    if not (state.can_fuse(value) or state.is_read_once(value, "masked_conv2d")):
        return False
    node = state.build.node(state.map_name(value))
    if node.attrs.get("activation", "none") != "none" and factor <= 0:
        return False
    is_sum = bool(node.attrs.get("accumulate"))
    return not is_sum or _absorbs_factor(state, FeatureMap(node.inputs[-1]), factor)


def _scale_sum(state: LoweringState, output: str, factor: float) -> None:
    node = state.build.node(output)
    state.build.scale_conv(output, factor)
    if node.attrs.get("accumulate"):
        _scale_sum(state, node.inputs[-1], factor)


# --- parallel convolutions ---


def can_fold(state: LoweringState, first: object, second: object) -> bool:
    """True for two convolutions of the same input without activation that only their sum reads."""
    if not state.folds or not (state.can_fuse(first) and state.can_fuse(second)):
        return False
    nodes = [state.build.node(state.map_name(value)) for value in (first, second)]
    is_plain = all(
        node.attrs.get("activation", "none") == "none" and not node.attrs.get("accumulate") for node in nodes
    )
    return is_plain and nodes[0] is not nodes[1] and nodes[0].inputs == nodes[1].inputs


def fold(state: LoweringState, first: object, second: object) -> FeatureMap:
    """Add the second convolution's weights to the first's and remove the second."""
    build = state.build
    kept, gone = build.node(state.map_name(first)), build.node(state.map_name(second))
    if build.channels(kept.output) != build.channels(gone.output):
        raise ModelError("adds maps with different numbers of channels")
    kernel = max(KERNEL.of(kept), KERNEL.of(gone))
    for node in (kept, gone):
        build.own(node.output, "weight")
        build.widen(node.output, kernel)
    build.tensors[kept.weights["weight"]] += build.tensors[gone.weights["weight"]]
    if "bias" in gone.weights:
        build.scale_conv(kept.output, 1.0, build.tensors[gone.weights["bias"]])
    build.remove(gone.output)
    return FeatureMap(kept.output)


def fuse_addend(state: LoweringState, convolved: object, addend: object) -> FeatureMap | None:
    """Fuse the addition of a map into a convolution; None if that needs a separate node."""
    if not state.can_fuse(convolved) or not isinstance(addend, FeatureMap):
        return None
    output = state.map_name(convolved)
    if state.build.node(output).attrs.get("accumulate"):
        return None
    if not state.build.is_before(
        addend.name, output
    ):  # nothing reads the convolution yet, so it can move back
        state.build.move_to_end(output)
    state.build.change(output, [*state.build.node(output).inputs, addend.name], residual=True)
    return FeatureMap(output)
