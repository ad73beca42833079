"""Lowering rules for images: factors and shifts, which convolutions absorb, and upscaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from sparsesr.errors import ModelError
from sparsesr.lab.export.lowering_state import LoweringState, kind_name
from sparsesr.lab.export.values import FeatureMap, HRImage, LRImage, PerColour, Value
from sparsesr.lab.nn.layers.image_layers import BicubicUpsample, UnitRange

COLOURS = 3


def as_image(state: LoweringState, value: object) -> LRImage | HRImage | None:
    """A value as an image, which may be a convolution with three outputs on an upscaled map; None if it is none."""
    if isinstance(value, (LRImage, HRImage)):
        return value
    return as_upscaled(state, value) if state.can_fuse(value) else None


def as_upscaled(state: LoweringState, value: object) -> HRImage | None:
    """A map with three channels that is larger than the input, as an upscaled image; None if it is none."""
    if not isinstance(value, FeatureMap):
        return None
    size = state.build.resolution(value.name)
    is_image = state.build.channels(value.name) == COLOURS and size.up > 1 and size.down == 1
    return HRImage(value.name, scale=size.up) if is_image else None


def mean_shift(state: LoweringState, module: nn.Conv2d, name: str, inputs: Sequence[Any]) -> Value:
    """Add a constant per colour to an image."""
    value = as_image(state, inputs[0])
    if value is None:
        raise ModelError(f"shifts colours, but its input is {kind_name(inputs[0])}")
    weight = module.weight.detach().double().cpu().flatten(1).numpy()
    factor = float(weight[0, 0])
    if factor <= 0 or not np.allclose(weight, factor * np.eye(3), atol=1e-7):
        raise ModelError("its weights must be a positive multiple of the identity matrix")
    bias = torch.zeros(3) if module.bias is None else module.bias
    return value.scaled(factor).shifted(bias.detach().double().cpu().numpy())


def pixel_shuffle(state: LoweringState, module: nn.PixelShuffle, name: str, inputs: Sequence[Any]) -> Value:
    """An upscaled image, which may still be multiplied and shifted, or an upscaled map."""
    step, source = module.upscale_factor, state.map_name(inputs[0])
    size = state.build.resolution(source)
    if state.can_fuse(inputs[0]) and state.build.channels(source) == COLOURS * step**2 and size.down == 1:
        return HRImage(source, shuffle=step, scale=size.up * step)
    return FeatureMap(state.build.add("pixel_shuffle", [source], name, scale=step))


def unit_range(state: LoweringState, module: UnitRange, name: str, inputs: Sequence[Any]) -> Value:
    """``(tanh(z) + 1) / 2``: the sigmoid of ``2 z``, on the small map if a pixel shuffle only moves its values."""
    image = as_image(state, inputs[0])
    if not isinstance(image, HRImage):
        raise ModelError(f"ends a network, but its input is {kind_name(inputs[0])}")
    doubled = image.scaled(2.0)
    if image.skip is not None or image.source is None:
        return FeatureMap(state.build.add("sigmoid", [state.close(doubled, f"{name}.doubled")], name))
    state.fold(doubled)
    source = state.build.add("sigmoid", [image.source], name)
    return HRImage(source, image.shuffle, scale=image.scale)


def bicubic(state: LoweringState, module: BicubicUpsample, name: str, inputs: Sequence[Any]) -> Value:
    """Bicubic upscaling of the input; its factor and shift carry over, since bicubic weights sum to one."""
    (value,) = inputs
    if not isinstance(value, LRImage):
        raise ModelError(f"can only upscale the input image, not {kind_name(value)}")
    skip = state.build.add("bicubic_upsample", [state.image_node(value)], name, scale=module.scale)
    return HRImage(skip=skip, skip_factor=value.factor, scale=module.scale)


def multiply(state: LoweringState, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Multiply an image by a number."""
    value, factor = inputs
    return _scaled(state, value, factor, "multiplied, and only by a number")


def divide(state: LoweringState, module: Any, name: str, inputs: Sequence[Any]) -> Value:
    """Divide an image by a number."""
    value, divisor = inputs
    inverse = 1.0 / float(divisor) if isinstance(divisor, (int, float)) and divisor else None
    return _scaled(state, value, inverse, "divided, and only by a number")


def _scaled(state: LoweringState, value: object, factor: object, how: str) -> Value:
    image = as_image(state, value)
    if image is None or not isinstance(factor, (int, float)):
        raise ModelError(f"only images can be {how}")
    return image.scaled(float(factor))


def join(first: HRImage, second: HRImage) -> HRImage:
    """Add the two parts of the result."""
    parts = [part for part in (first, second) if part.source is not None]
    skips = [part for part in (first, second) if part.skip is not None]
    if len(parts) != 1 or len(skips) != 1 or first.scale != second.scale:
        raise ModelError(
            "the result may be one upscaled image plus one bicubic upscaling of the input, at one scale"
        )
    part, skip = parts[0], skips[0]
    shift: PerColour = first.shift + second.shift
    return HRImage(part.source, part.shuffle, part.factor, skip.skip, skip.skip_factor, shift, part.scale)
