"""The rules that the entries of the op registry are made of.

Four families, with one signature each: ``*_bind`` (sizes known from inputs and attributes), ``*_infer`` and
``*_type`` (type of the output), ``*_rows`` (input rows that output rows depend on), ``*_macs``
(multiply-adds).
"""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.attributes import (
    ACCUMULATE,
    ACTIVATION,
    DENSE_IN,
    DENSE_OUT,
    FACTORS,
    HEADS,
    KERNEL,
    RESIDUAL,
    SCALE,
    SEGMENTS,
)
from sparsesr.modelfile.op_schema import (
    FULL,
    PICTURE_CHANNELS,
    Kind,
    Macs,
    Resolution,
    Rows,
    Sizes,
    TypedNode,
    ValueType,
)
from sparsesr.modelfile.spec import Node

MAX_CONCAT = 64
MAX_ADDENDS = 16


def has_addend(node: Node) -> bool:
    """True if the last input of a ``conv2d`` is added to the result instead of convolved."""
    return node.op == "conv2d" and (RESIDUAL.of(node) or ACCUMULATE.of(node))


def feature_inputs(node: Node) -> tuple[str, ...]:
    """Inputs of a ``conv2d`` or ``masked_conv2d`` that are concatenated and convolved: no mask, no addend."""
    first = 1 if node.op == "masked_conv2d" else 0
    return node.inputs[first : len(node.inputs) - has_addend(node)]


# --- pieces shared by several entries ---


def no_sizes(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Nothing is known beforehand."""
    return {}


def same_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The output is like the first input."""
    return inputs[0]


def same_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Pixel by pixel: a row depends on the same row."""
    return a, b


def no_macs(typed: TypedNode) -> Macs:
    """Sums, copies, interpolation and products element by element are not counted, as usual."""
    return Macs(0, 0, typed.output.resolution)


def _concat_channels(features: Sequence[ValueType]) -> int:
    if not features:
        raise ModelError("has nothing to convolve")
    if len(features) > MAX_CONCAT:
        raise ModelError(f"concatenates {len(features)} inputs, the limit is {MAX_CONCAT}")
    if len({feature.resolution for feature in features}) != 1:
        raise ModelError("concatenates maps of different resolutions")
    return sum(feature.channels for feature in features)


# --- conv2d, masked_conv2d ---


def conv_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Channels in, without the addend, and the kernel."""
    if RESIDUAL.of(node) and ACCUMULATE.of(node):
        raise ModelError("cannot have both residual and accumulate")
    features = inputs[: len(inputs) - has_addend(node)]
    return {"I": _concat_channels(features), "k": KERNEL.of(node)}


def conv_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The addend must be like the output."""
    output = ValueType(Kind.MAP, sizes["O"], inputs[0].resolution)
    if has_addend(node) and inputs[-1] != output:
        raise ModelError(f"adds a {inputs[-1]} to a {output}")
    return output


def conv_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """A 3x3 kernel reads one more row on both sides; the addend is read in place."""
    is_addend = has_addend(node) and index == len(node.inputs) - 1
    reach = 0 if is_addend else KERNEL.of(node) // 2
    return a - reach, b + reach


def conv_macs(typed: TypedNode) -> Macs:
    """Every output pixel costs the same."""
    sizes = typed.sizes
    dense = sizes["I"] * sizes["O"] * sizes["k"] ** 2
    return Macs(dense, dense, typed.output.resolution)


def masked_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Channels in, of which ``dense_in`` may not claim more than there are."""
    features, dense_in = inputs[1:], DENSE_IN.of(node)
    if len(dense_in) != len(features):
        raise ModelError(f"dense_in has {len(dense_in)} numbers for {len(features)} inputs")
    if any(dense > feature.channels for dense, feature in zip(dense_in, features, strict=True)):
        raise ModelError("dense_in is larger than the channels of its input")
    return {"I": _concat_channels(features), "k": KERNEL.of(node)}


def masked_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """Channels out, of which ``dense_out`` may not claim more than there are."""
    if DENSE_OUT.of(node) > sizes["O"]:
        raise ModelError(f"dense_out is larger than the {sizes['O']} channels of its output")
    return ValueType(Kind.MAP, sizes["O"], FULL)


def masked_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """As ``conv2d``; the mask is read in place."""
    reach = 0 if index == 0 else KERNEL.of(node) // 2
    return a - reach, b + reach


def masked_macs(typed: TypedNode) -> Macs:
    """Inactive pixels cost the dense inputs times the dense outputs."""
    node, sizes = typed.node, typed.sizes
    taps = sizes["k"] ** 2
    dense = sum(DENSE_IN.of(node)) * DENSE_OUT.of(node) * taps
    return Macs(sizes["I"] * sizes["O"] * taps, dense, FULL)


# --- change of resolution ---


def _resized(value: ValueType, channels: int, up: int, down: int = 1) -> ValueType:
    return ValueType(Kind.MAP, channels, _resolution(value).times(up, down))


def _resolution(value: ValueType) -> Resolution:
    """Of a map, which always has one."""
    return value.resolution or FULL


def halve(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """As many channels at half the resolution."""
    return _resized(inputs[0], inputs[0].channels, 1, 2)


def pool_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Two rows become one."""
    return 2 * a, 2 * b


def deconv_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Channels in."""
    return {"I": inputs[0].channels}


def deconv_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """Channels out at twice the resolution."""
    return _resized(inputs[0], sizes["O"], 2)


def deconv_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Even row 2i reads input row i; odd row 2i + 1 reads rows i and i + 1."""
    return a // 2, b // 2 + 1


def deconv_macs(typed: TypedNode) -> Macs:
    """Every tap of every input pixel is one multiply-add, whatever it is added to."""
    per_input_pixel = typed.sizes["I"] * typed.sizes["O"] * 9
    return Macs(per_input_pixel, per_input_pixel, typed.inputs[0].resolution)


def shuffle_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Each pixel of a block of scale x scale comes from a channel of its own."""
    cell = SCALE.of(node) ** 2
    if inputs[0].channels % cell:
        raise ModelError(f"needs a multiple of {cell} channels, got {inputs[0].channels}")
    return {}


def shuffle_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The enlarged map; the skip must be like it."""
    scale = SCALE.of(node)
    output = _resized(inputs[0], inputs[0].channels // scale**2, scale)
    if len(inputs) > 1 and inputs[1] != output:
        raise ModelError(f"adds a {inputs[1]} to a {output}")
    return output


def shuffle_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """A row becomes scale rows; the skip is read in place."""
    return (a, b) if index else (a // SCALE.of(node), -(-b // SCALE.of(node)))


def enlarge(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """As many channels at scale times the resolution."""
    return _resized(inputs[0], inputs[0].channels, SCALE.of(node))


def bicubic_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Four rows around the place of each output row; half a row is lost to the centres of pixels."""
    scale = SCALE.of(node)
    return (2 * a + 1 - scale) // (2 * scale) - 1, (2 * b - 1 - scale) // (2 * scale) + 3


# --- sums ---


def add_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Maps of one type, each with a factor if there are any; slopes belong to leaky_relu."""
    other = next((value for value in inputs if value != inputs[0]), None)
    if other is not None:
        raise ModelError(f"adds a {other} to a {inputs[0]}")
    if len(inputs) > MAX_ADDENDS:
        raise ModelError(f"adds {len(inputs)} maps, the limit is {MAX_ADDENDS}")
    if len(FACTORS.of(node)) not in (0, len(inputs)):
        raise ModelError(f"has {len(FACTORS.of(node))} factors for {len(inputs)} inputs")
    if "slopes" in node.weights and ACTIVATION.of(node) != "leaky_relu":
        raise ModelError("has slopes, but its activation is not leaky_relu")
    return {"C": inputs[0].channels}


# --- masks and attention ---


def image_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """Red, green, blue."""
    return ValueType(Kind.MAP, PICTURE_CHANNELS, FULL)


def mask_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """One flag per pixel."""
    return ValueType(Kind.MASK, 1, FULL)


def vector_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """One number per channel of the input."""
    return ValueType(Kind.VECTOR, inputs[0].channels, None)


def attention_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Length of the vector; the hidden width ``M`` is the weights' business."""
    return {"C": inputs[0].channels}


def attention_macs(typed: TypedNode) -> Macs:
    """Two small fully connected layers per picture."""
    both_layers = 2 * typed.sizes["C"] * typed.sizes["M"]
    return Macs(both_layers, both_layers, None)


def scale_add_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """All inputs must have the same channels, maps the same resolution."""
    feature, vector, *rest = inputs
    if vector.channels != feature.channels:
        raise ModelError(f"scales {feature.channels} channels by a vector of {vector.channels}")
    if rest and rest[0] != feature:
        raise ModelError(f"adds a {rest[0]} to a {feature}")
    return {}


# --- tokens: pixels in raster order ---

PATCH = 9
MAX_HEAD_CHANNELS = 32


def like_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """The map to be enlarged has half the size of the other."""
    if _resolution(inputs[1]) != _resolution(inputs[0]).times(2):
        raise ModelError(f"brings a {inputs[0]} to the size of a {inputs[1]}, not twice as large")
    return {}


def like_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The channels of the first at the resolution of the second."""
    return ValueType(Kind.MAP, inputs[0].channels, inputs[1].resolution)


def like_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Row y lies at y (h - 1) / (H - 1), with H = 2 h or 2 h + 1: not after y / 2, and less than 1.5 before."""
    return (a, b) if index else (a // 2 - 1, (b - 1) // 2 + 2)


def unfold_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """A neighbourhood of 3x3 per pixel."""
    return ValueType(Kind.MAP, PATCH * inputs[0].channels, inputs[0].resolution)


def fold_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Neighbourhoods of 3x3."""
    if inputs[0].channels % PATCH:
        raise ModelError(f"needs a multiple of {PATCH} channels, got {inputs[0].channels}")
    return {}


def fold_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """What the neighbourhoods were made of."""
    return ValueType(Kind.MAP, inputs[0].channels // PATCH, inputs[0].resolution)


def patch_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """One more row on both sides."""
    return a - 1, b + 1


def channels_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Channels of the input."""
    return {"C": inputs[0].channels}


def segment_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Queries, keys and values of all heads."""
    channels, heads = inputs[0].channels, HEADS.of(node)
    if channels % (3 * heads) or channels // (3 * heads) > MAX_HEAD_CHANNELS:
        raise ModelError(
            f"{channels} channels are not queries, keys and values of {heads} heads with up to"
            f" {MAX_HEAD_CHANNELS} channels"
        )
    return {}


def segment_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """As many channels as the values have."""
    return ValueType(Kind.MAP, inputs[0].channels // 3, inputs[0].resolution)


def whole_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """All rows, from the first on."""
    return 0, b


def segment_macs(typed: TypedNode) -> Macs:
    """A score and a weighted value per pair of tokens, for each channel."""
    channels = typed.output.channels
    return Macs(0, 0, typed.output.resolution, 2 * channels, SEGMENTS.of(typed.node))


def segment_tokens(tokens: int, segments: int) -> int:
    """Tokens per segment, at least 1; what is left over makes further, shorter segments."""
    return max(1, tokens // segments)
