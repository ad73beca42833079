"""How each layer and each arithmetic operation of a traced network becomes nodes.

A rule gets the state of the lowering, the module (or None), the name for its output, and the inputs. Adding a
layer: give it a method ``lower`` (see :mod:`sparsesr.lab.nn.lowering`), or write a rule and add it to a table.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sparsesr.errors import ModelError
from sparsesr.lab.export.graph_builder import GraphBuilder, check_conv
from sparsesr.lab.export.values import Concat, HRPicture, LRPicture, Map, PerColour, Value
from sparsesr.lab.nn.layers.pictures import BicubicUpsample, MeanShift

IMAGE = "image"
Rule = Callable[["State", Any, str, Sequence[Any]], Value]


@dataclass
class State:
    """The graph so far, and who else reads a tensor."""

    build: GraphBuilder = field(default_factory=GraphBuilder)
    readers: dict[str, int] = field(default_factory=dict[str, int])
    """How many operations of the traced network read the tensor; fusing needs exactly one."""
    picture: LRPicture | None = None
    """What the ``image`` node stands for, once something has read it."""
    links: set[str] = field(default_factory=set[str])
    """Outputs of convolutions over parts of a concatenation; each may run as soon as its part is there."""

    def map_name(self, value: object) -> str:
        """The node that a value is; pictures become the ``image`` node only where the factor is taken in."""
        if isinstance(value, Map):
            return value.name
        raise ModelError(f"needs a feature map, got {_words(value)}")

    def picture_node(self, picture: LRPicture) -> str:
        """The ``image`` node, which yields ``picture / picture.factor``."""
        if self.picture is None:
            offset = [float(value) for value in -picture.shift / picture.factor]
            self.build.add("image", (), IMAGE, offset=offset)
            self.picture = picture
        same = np.allclose(
            self.picture.shift / self.picture.factor, picture.shift / picture.factor, atol=1e-9
        )
        if not same:
            raise ModelError("the picture is used with two different offsets; shift it once")
        return IMAGE

    def can_fuse(self, value: object) -> bool:
        """True for a plain convolution that nobody else reads."""
        if not isinstance(value, Map) or self.readers.get(value.name, 0) != 1:
            return False
        node = self.build.node(value.name)
        return node.op == "conv2d" and not node.attrs.get("residual")


def _words(value: object) -> str:
    kinds: dict[type, str] = {
        LRPicture: "the picture",
        Concat: "a concatenation",
        HRPicture: "the enlarged picture",
    }
    return kinds.get(type(value), f"{type(value).__name__}")


# --- modules ---


def conv(state: State, module: nn.Conv2d, name: str, inputs: Sequence[Any]) -> Value:
    """A convolution; takes in the scale of a picture, and splits a 1x1 over a concatenation into a chain."""
    (value,) = inputs
    if isinstance(value, LRPicture):
        state.build.add_conv(module, [state.picture_node(value)], name)
        state.build.tensors[f"{name}.weight"] *= value.factor
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
    sizes = [_channels_of(state.build, part) for part in value.names]
    if sum(sizes) != module.in_channels:
        raise ModelError(f"{name}: {module.in_channels} channels in, its inputs have {sum(sizes)}")
    return sizes


def _channels_of(build: GraphBuilder, output: str) -> int:
    """Channels of a map: rows of the weights that made it, looked up through nodes without weights."""
    node = build.node(output)
    if "weight" in node.weights and node.op != "conv_transpose2x":
        return build.tensors[node.weights["weight"]].shape[0]
    if not node.inputs:
        return 3
    return _channels_of(build, node.inputs[0])


def mean_shift(state: State, module: nn.Conv2d, name: str, inputs: Sequence[Any]) -> Value:
    """Adds one number per colour to a picture."""
    (value,) = inputs
    if not isinstance(value, (LRPicture, HRPicture)):
        raise ModelError(f"shifts colours, but its input is {_words(value)}")
    weight = module.weight.detach().double().cpu().flatten(1).numpy()
    factor = float(weight[0, 0])
    if factor <= 0 or not np.allclose(weight, factor * np.eye(3), atol=1e-7):
        raise ModelError("its weights must be the unit matrix, or a multiple of it")
    bias = torch.zeros(3) if module.bias is None else module.bias
    return value.scaled(factor).shifted(bias.detach().double().cpu().numpy())


def relu(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Fused into the convolution before it."""
    return _activate(state, inputs[0], "relu")


def leaky_relu(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Fused into the convolution before it."""
    slope = module.negative_slope if module is not None else 0.01
    return _activate(state, inputs[0], "leaky_relu", slope=float(slope))


def _activate(state: State, value: object, activation: str, **attrs: Any) -> Value:
    name = state.map_name(value)
    if not state.can_fuse(value) or state.build.node(name).attrs.get("activation", "none") != "none":
        raise ModelError("an activation must directly follow a convolution that nothing else reads")
    state.build.change(name, activation=activation, **attrs)
    return Map(name)


def pixel_shuffle(state: State, module: nn.PixelShuffle, name: str, inputs: Sequence[Any]) -> Value:
    """Ends the network: what follows may only scale, shift, and add the enlarged input."""
    if not state.can_fuse(inputs[0]):
        raise ModelError("must directly follow a convolution that nothing else reads")
    return HRPicture(shuffled=state.map_name(inputs[0]), scale=module.upscale_factor)


def bicubic(state: State, module: BicubicUpsample, name: str, inputs: Sequence[Any]) -> Value:
    """Enlarges the picture; its scale and shift survive, since the weights of a bicubic sum to one."""
    (value,) = inputs
    if not isinstance(value, LRPicture):
        raise ModelError(f"can only enlarge the input picture, not {_words(value)}")
    skip = state.build.add("bicubic_upsample", [state.picture_node(value)], name, scale=module.scale)
    return HRPicture(skip=skip, skip_factor=value.factor, scale=module.scale)


def identity(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Does nothing in evaluation."""
    return inputs[0]


# --- arithmetic ---


def multiply(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """A picture times a number, in either order."""
    value, factor = inputs if not isinstance(inputs[0], (int, float)) else inputs[::-1]
    if not isinstance(factor, (int, float)) or not isinstance(value, (LRPicture, HRPicture)):
        raise ModelError("only pictures can be multiplied, and only by a number")
    return value.scaled(float(factor))


def divide(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """A picture divided by a number."""
    value, divisor = inputs
    if not isinstance(divisor, (int, float)) or not isinstance(value, (LRPicture, HRPicture)):
        raise ModelError("only pictures can be divided, and only by a number")
    return value.scaled(1.0 / float(divisor))


def add(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Two parts of the result, or a convolution and a residual."""
    first, second = inputs
    if isinstance(first, HRPicture) and isinstance(second, HRPicture):
        return _join(first, second)
    for convolved, addend in ((first, second), (second, first)):
        if state.can_fuse(convolved) and isinstance(addend, Map):
            output = state.map_name(convolved)
            node = state.build.node(output)
            if state.build.is_before(addend.name, output) and not node.attrs.get("accumulate"):
                state.build.change(output, [*node.inputs, addend.name], residual=True)
                return Map(output)
    raise ModelError(f"cannot add {_words(first)} and {_words(second)}: one must be a convolution's result")


def _join(first: HRPicture, second: HRPicture) -> HRPicture:
    parts = [part for part in (first, second) if part.shuffled is not None]
    skips = [part for part in (first, second) if part.skip is not None]
    if len(parts) != 1 or len(skips) != 1 or first.scale != second.scale:
        raise ModelError("the result may be one pixel shuffle plus one bicubic of the input, at one scale")
    shuffled, skip = parts[0], skips[0]
    shift: PerColour = first.shift + second.shift
    return HRPicture(shuffled.shuffled, shuffled.factor, skip.skip, skip.skip_factor, shift, shuffled.scale)


def concat(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Channels side by side."""
    values, dim = inputs[0], inputs[1] if len(inputs) > 1 else 0
    if dim not in (1, -3):
        raise ModelError("only channels (dim 1) can be concatenated")
    return Concat(tuple(state.map_name(value) for value in values))


MODULE_RULES: dict[type[nn.Module], Rule] = {
    MeanShift: mean_shift,
    BicubicUpsample: bicubic,
    nn.Conv2d: conv,
    nn.ReLU: relu,
    nn.LeakyReLU: leaky_relu,
    nn.PixelShuffle: pixel_shuffle,
    nn.Identity: identity,
    nn.Dropout: identity,
}
FUNCTION_RULES: dict[Any, Rule] = {
    operator.mul: multiply,
    torch.mul: multiply,
    operator.truediv: divide,
    operator.add: add,
    torch.add: add,
    torch.cat: concat,
    functional.relu: relu,
    torch.relu: relu,
}
