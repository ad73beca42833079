"""Lowering rules: tables from layers and functions of a traced network to graph nodes.

A rule gets the lowering state, the module (or None), the name for its output, and the inputs. To support a layer, give
it a method ``lower`` (see :mod:`sparsesr.lab.nn.lowering`), or write a rule and add it to a table.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sparsesr.errors import ModelError
from sparsesr.lab.export import convolution_rules as convolutions
from sparsesr.lab.export import image_rules as images
from sparsesr.lab.export.lowering_state import LoweringState, Rule, kind_name
from sparsesr.lab.export.values import Concat, FeatureMap, HRImage, Value
from sparsesr.lab.nn.layers.image_layers import BicubicUpsample, MeanShift, UnitRange
from sparsesr.lab.nn.layers.resolution import NearestUpsample
from sparsesr.lab.nn.layers.searched_operations import WhereActive
from sparsesr.modelfile.operations.attributes import FACTORS


def identity(state: LoweringState, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """A layer without effect in evaluation."""
    return inputs[0]


def add(state: LoweringState, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Sum of two parts of the result, two parallel convolutions, a convolution and an addend, or any two maps."""
    first, second = inputs
    if isinstance(first, HRImage) or isinstance(second, HRImage):
        parts = [images.as_image(state, value) for value in inputs]
        if isinstance(parts[0], HRImage) and isinstance(parts[1], HRImage):
            return images.join(parts[0], parts[1])
    if convolutions.can_fold(state, first, second):
        return convolutions.fold(state, first, second)
    for convolved, addend in ((first, second), (second, first)):
        fused = convolutions.fuse_addend(state, convolved, addend)
        if fused is not None:
            return fused
    if not (isinstance(first, FeatureMap) and isinstance(second, FeatureMap)):
        raise ModelError(f"cannot add {kind_name(first)} and {kind_name(second)}")
    return _sum(state, name, (first.name, second.name))


def _sum(state: LoweringState, name: str, terms: Sequence[str]) -> FeatureMap:
    """A node that adds maps, and multiplies those that a node of their own would only multiply by a number."""
    inputs, factors = zip(*(_as_term(state, term) for term in terms), strict=True)
    attrs: dict[str, Any] = {} if set(factors) == {1.0} else {"factors": list(factors)}
    return FeatureMap(state.build.add("add", inputs, name, **attrs))


def _as_term(state: LoweringState, name: str) -> tuple[str, float]:
    if state.is_read_once(FeatureMap(name), "add"):
        node = state.build.node(name)
        if len(node.inputs) == 1 and set(node.attrs) == {"factors"}:
            state.build.remove(name)
            return node.inputs[0], FACTORS.of(node)[0]
    return name, 1.0


def multiply(state: LoweringState, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Multiply an image or a map by a number, in either order."""
    value, factor = inputs if not isinstance(inputs[0], (int, float)) else inputs[::-1]
    is_map = isinstance(value, FeatureMap) and images.as_image(state, value) is None
    if is_map and isinstance(factor, (int, float)):
        return convolutions.scale(state, value, name, float(factor))
    return images.multiply(state, module, name, (value, factor))


def nearest(state: LoweringState, module: NearestUpsample, name: str, inputs: Sequence[Any]) -> Value:
    """Enlargement that repeats pixels."""
    source = state.map_name(inputs[0])
    return FeatureMap(state.build.add("nearest_upsample", [source], name, scale=module.scale))


def concat(state: LoweringState, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Concatenation of channels."""
    values, dim = inputs[0], inputs[1] if len(inputs) > 1 else 0
    if dim not in (1, -3):
        raise ModelError("only channels (dim 1) can be concatenated")
    return Concat(tuple(state.map_name(value) for value in values))


MODULE_RULES: dict[type[nn.Module], Rule] = {
    MeanShift: images.mean_shift,
    BicubicUpsample: images.bicubic,
    UnitRange: images.unit_range,
    NearestUpsample: nearest,
    WhereActive: convolutions.where_active,
    nn.Conv2d: convolutions.conv,
    nn.ReLU: convolutions.relu,
    nn.LeakyReLU: convolutions.leaky_relu,
    nn.PReLU: convolutions.prelu,
    nn.PixelShuffle: images.pixel_shuffle,
    nn.Identity: identity,
    nn.Dropout: identity,
}
FUNCTION_RULES: dict[Any, Rule] = {
    operator.mul: multiply,
    torch.mul: multiply,
    operator.truediv: images.divide,
    operator.add: add,
    torch.add: add,
    torch.cat: concat,
    functional.relu: convolutions.relu,
    torch.relu: convolutions.relu,
}
