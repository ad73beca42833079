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
from sparsesr.lab.nn.layers.image_layers import BicubicUpsample, MeanShift


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
    return FeatureMap(state.build.add("add", [first.name, second.name], name))


def concat(state: LoweringState, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Concatenation of channels."""
    values, dim = inputs[0], inputs[1] if len(inputs) > 1 else 0
    if dim not in (1, -3):
        raise ModelError("only channels (dim 1) can be concatenated")
    return Concat(tuple(state.map_name(value) for value in values))


MODULE_RULES: dict[type[nn.Module], Rule] = {
    MeanShift: images.mean_shift,
    BicubicUpsample: images.bicubic,
    nn.Conv2d: convolutions.conv,
    nn.ReLU: convolutions.relu,
    nn.LeakyReLU: convolutions.leaky_relu,
    nn.PReLU: convolutions.prelu,
    nn.PixelShuffle: images.pixel_shuffle,
    nn.Identity: identity,
    nn.Dropout: identity,
}
FUNCTION_RULES: dict[Any, Rule] = {
    operator.mul: images.multiply,
    torch.mul: images.multiply,
    operator.truediv: images.divide,
    operator.add: add,
    torch.add: add,
    torch.cat: concat,
    functional.relu: convolutions.relu,
    torch.relu: convolutions.relu,
}
