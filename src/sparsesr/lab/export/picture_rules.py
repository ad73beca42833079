"""What is done to pictures: shifts and scales, which convolutions take in, and enlargement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from sparsesr.errors import ModelError
from sparsesr.lab.export.lowering_state import State, words
from sparsesr.lab.export.values import HRPicture, LRPicture, Map, PerColour, Value
from sparsesr.lab.nn.layers.pictures import BicubicUpsample

COLOURS = 3


def as_picture(state: State, value: object) -> LRPicture | HRPicture | None:
    """A value as a picture; a convolution to three channels of an enlarged map is one too. None if it is none."""
    if isinstance(value, (LRPicture, HRPicture)):
        return value
    return enlarged(state, value) if state.can_fuse(value) else None


def enlarged(state: State, value: object) -> HRPicture | None:
    """A map of three channels that is larger than the picture, as an enlarged picture; None if it is none."""
    if not isinstance(value, Map):
        return None
    size = state.build.resolution(value.name)
    is_picture = state.build.channels(value.name) == COLOURS and size.up > 1 and size.down == 1
    return HRPicture(value.name, scale=size.up) if is_picture else None


def mean_shift(state: State, module: nn.Conv2d, name: str, inputs: Sequence[Any]) -> Value:
    """Adds one number per colour to a picture."""
    value = as_picture(state, inputs[0])
    if value is None:
        raise ModelError(f"shifts colours, but its input is {words(inputs[0])}")
    weight = module.weight.detach().double().cpu().flatten(1).numpy()
    factor = float(weight[0, 0])
    if factor <= 0 or not np.allclose(weight, factor * np.eye(3), atol=1e-7):
        raise ModelError("its weights must be the unit matrix, or a multiple of it")
    bias = torch.zeros(3) if module.bias is None else module.bias
    return value.scaled(factor).shifted(bias.detach().double().cpu().numpy())


def pixel_shuffle(state: State, module: nn.PixelShuffle, name: str, inputs: Sequence[Any]) -> Value:
    """An enlarged picture, that may still be scaled and shifted, or an enlarged map."""
    step, source = module.upscale_factor, state.map_name(inputs[0])
    size = state.build.resolution(source)
    if state.can_fuse(inputs[0]) and state.build.channels(source) == COLOURS * step**2 and size.down == 1:
        return HRPicture(source, shuffle=step, scale=size.up * step)
    return Map(state.build.add("pixel_shuffle", [source], name, scale=step))


def bicubic(state: State, module: BicubicUpsample, name: str, inputs: Sequence[Any]) -> Value:
    """Enlarges the picture; its scale and shift survive, since the weights of a bicubic sum to one."""
    (value,) = inputs
    if not isinstance(value, LRPicture):
        raise ModelError(f"can only enlarge the input picture, not {words(value)}")
    skip = state.build.add("bicubic_upsample", [state.picture_node(value)], name, scale=module.scale)
    return HRPicture(skip=skip, skip_factor=value.factor, scale=module.scale)


def multiply(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """A picture times a number, in either order."""
    value, factor = inputs if not isinstance(inputs[0], (int, float)) else inputs[::-1]
    return _scaled(state, value, factor, "multiplied, and only by a number")


def divide(state: State, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """A picture divided by a number."""
    value, divisor = inputs
    inverse = 1.0 / float(divisor) if isinstance(divisor, (int, float)) and divisor else None
    return _scaled(state, value, inverse, "divided, and only by a number")


def _scaled(state: State, value: object, factor: object, how: str) -> Value:
    picture = as_picture(state, value)
    if picture is None or not isinstance(factor, (int, float)):
        raise ModelError(f"only pictures can be {how}")
    return picture.scaled(float(factor))


def join(first: HRPicture, second: HRPicture) -> HRPicture:
    """Sum of two parts of the result."""
    parts = [part for part in (first, second) if part.source is not None]
    skips = [part for part in (first, second) if part.skip is not None]
    if len(parts) != 1 or len(skips) != 1 or first.scale != second.scale:
        raise ModelError("the result may be one enlarged picture plus one bicubic of the input, at one scale")
    part, skip = parts[0], skips[0]
    shift: PerColour = first.shift + second.shift
    return HRPicture(part.source, part.shuffle, part.factor, skip.skip, skip.skip_factor, shift, part.scale)
