"""How each layer and each arithmetic operation of a traced network becomes nodes.

A rule gets the state of the lowering, the module (or None), the name for its output, and the inputs. Adding a
layer: give it a method ``lower`` (see :mod:`sparsesr.lab.nn.lowering`), or write a rule and add it to a table.
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
from sparsesr.lab.export import picture_rules as pictures
from sparsesr.lab.export.lowering_state import Rule, State, words
from sparsesr.lab.export.values import Concat, HRPicture, Map, Value
from sparsesr.lab.nn.layers.pictures import BicubicUpsample, MeanShift


def identity(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Does nothing in evaluation."""
    return inputs[0]


def add(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Parts of the result; parallel convolutions; a convolution and a residual; or any two maps."""
    first, second = inputs
    if isinstance(first, HRPicture) or isinstance(second, HRPicture):
        parts = [pictures.as_picture(state, value) for value in inputs]
        if isinstance(parts[0], HRPicture) and isinstance(parts[1], HRPicture):
            return pictures.join(parts[0], parts[1])
    if convolutions.can_fold(state, first, second):
        return convolutions.fold(state, first, second)
    for convolved, addend in ((first, second), (second, first)):
        fused = convolutions.fuse_addend(state, convolved, addend)
        if fused is not None:
            return fused
    if not (isinstance(first, Map) and isinstance(second, Map)):
        raise ModelError(f"cannot add {words(first)} and {words(second)}")
    return Map(state.build.add("add", [first.name, second.name], name))


def concat(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Channels side by side."""
    values, dim = inputs[0], inputs[1] if len(inputs) > 1 else 0
    if dim not in (1, -3):
        raise ModelError("only channels (dim 1) can be concatenated")
    return Concat(tuple(state.map_name(value) for value in values))


MODULE_RULES: dict[type[nn.Module], Rule] = {
    MeanShift: pictures.mean_shift,
    BicubicUpsample: pictures.bicubic,
    nn.Conv2d: convolutions.conv,
    nn.ReLU: convolutions.relu,
    nn.LeakyReLU: convolutions.leaky_relu,
    nn.PReLU: convolutions.prelu,
    nn.PixelShuffle: pictures.pixel_shuffle,
    nn.Identity: identity,
    nn.Dropout: identity,
}
FUNCTION_RULES: dict[Any, Rule] = {
    operator.mul: pictures.multiply,
    torch.mul: pictures.multiply,
    operator.truediv: pictures.divide,
    operator.add: add,
    torch.add: add,
    torch.cat: concat,
    functional.relu: convolutions.relu,
    torch.relu: convolutions.relu,
}
