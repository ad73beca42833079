"""Every op: type rules, input rows, multiply-adds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.conv2d import has_addend
from sparsesr.modelfile.operations.facts import Macs
from sparsesr.modelfile.operations.registry import OPERATIONS, feature_inputs, input_rows
from sparsesr.modelfile.operations.value_types import FULL, HALF, Kind, Resolution, ValueType
from sparsesr.modelfile.spec import Node

TWICE, THRICE = Resolution(2), Resolution(3)


def fmap(channels: int, resolution: Resolution = FULL) -> ValueType:
    return ValueType(Kind.MAP, channels, resolution)


MASK = ValueType(Kind.MASK, 1, FULL)


def vector(channels: int) -> ValueType:
    return ValueType(Kind.VECTOR, channels, None)


def typed(op, inputs, shapes=None, **attrs):
    shapes = shapes or {}
    node = Node(
        op, tuple(f"in{i}" for i in range(len(inputs))), "out", attrs, {role: role for role in shapes}
    )
    return OPERATIONS[op].type_node(node, inputs, shapes)


CONV = {"weight": (16, 8, 3, 3), "bias": (16,)}
WIDE = {"weight": (16, 24, 1, 1)}
CA = {"w1": (2, 8), "b1": (2,), "w2": (8, 2), "b2": (8,)}

ATTENTION = {"heads": 2, "segments": 4, "score_scale": 0.5}
VALID = [
    ("image", [], {}, {"offset": [0.4, 0.4, 0.4]}, fmap(3), Macs(0, 0, FULL)),
    ("image", [], {}, {}, fmap(3), Macs(0, 0, FULL)),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3}, fmap(16), Macs(1152, 1152, FULL)),
    (
        "conv2d",
        [fmap(8, HALF)],
        CONV,
        {"kernel": 3, "activation": "relu"},
        fmap(16, HALF),
        Macs(1152, 1152, HALF),
    ),
    ("conv2d", [fmap(8), fmap(16)], CONV, {"kernel": 3, "residual": True}, fmap(16), Macs(1152, 1152, FULL)),
    ("conv2d", [fmap(8), fmap(16)], WIDE, {"kernel": 1}, fmap(16), Macs(384, 384, FULL)),
    (
        "conv2d",
        [fmap(8), fmap(16), fmap(16)],
        WIDE,
        {"kernel": 1, "accumulate": True},
        fmap(16),
        Macs(384, 384, FULL),
    ),
    (
        "masked_conv2d",
        [MASK, fmap(8)],
        {"weight": (16, 8, 3, 3)},
        {"kernel": 3, "dense_in": [2], "dense_out": 5},
        fmap(16),
        Macs(1152, 90, FULL),
    ),
    (
        "masked_conv2d",
        [MASK, fmap(8), fmap(16)],
        WIDE,
        {"kernel": 1, "dense_in": [2, 0], "dense_out": 16},
        fmap(16),
        Macs(384, 32, FULL),
    ),
    (
        "depthwise_conv3x3",
        [fmap(8, TWICE)],
        {"weight": (8, 1, 3, 3), "bias": (8,)},
        {"activation": "leaky_relu", "slope": 0.2},
        fmap(8, TWICE),
        Macs(72, 72, TWICE),
    ),
    ("nearest_upsample", [fmap(8, HALF)], {}, {"scale": 2}, fmap(8), Macs(0, 0, FULL)),
    ("sigmoid", [fmap(8, TWICE)], {}, {}, fmap(8, TWICE), Macs(0, 0, TWICE)),
    ("avg_pool2x2", [fmap(8)], {}, {}, fmap(8, HALF), Macs(0, 0, HALF)),
    ("conv_transpose2x", [fmap(8, HALF)], {"weight": (8, 2, 3, 3)}, {}, fmap(2), Macs(144, 144, HALF)),
    ("spatial_mask", [fmap(2)], {}, {}, MASK, Macs(0, 0, FULL)),
    ("global_mean", [fmap(8)], {}, {}, vector(8), Macs(0, 0, None)),
    ("channel_attention", [vector(8)], CA, {}, vector(8), Macs(32, 32, None)),
    ("scale_add", [fmap(8), vector(8), fmap(8)], {}, {}, fmap(8), Macs(0, 0, FULL)),
    ("scale_add", [fmap(8), vector(8)], {}, {}, fmap(8), Macs(0, 0, FULL)),
    ("bilinear_upsample", [fmap(8, HALF), fmap(5)], {}, {}, fmap(8), Macs(0, 0, FULL)),
    ("bilinear_upsample", [fmap(8), fmap(5, TWICE)], {}, {}, fmap(8, TWICE), Macs(0, 0, TWICE)),
    ("unfold3x3", [fmap(8)], {}, {}, fmap(72), Macs(0, 0, FULL)),
    ("fold3x3", [fmap(72, HALF)], {}, {}, fmap(8, HALF), Macs(0, 0, HALF)),
    ("layer_norm", [fmap(8)], {"weight": (8,), "bias": (8,)}, {"epsilon": 1e-6}, fmap(8), Macs(0, 0, FULL)),
    (
        "segment_attention",
        [fmap(24)],
        {},
        ATTENTION,
        fmap(8),
        Macs(0, 0, FULL, 16, 4),
    ),
    ("conv2d", [fmap(8, TWICE)], CONV, {"kernel": 3}, fmap(16, TWICE), Macs(1152, 1152, TWICE)),
    ("avg_pool2x2", [fmap(8, HALF)], {}, {}, fmap(8, Resolution(1, 4)), Macs(0, 0, Resolution(1, 4))),
    ("avg_pool2x2", [fmap(8, TWICE)], {}, {}, fmap(8), Macs(0, 0, FULL)),
    ("conv_transpose2x", [fmap(8)], {"weight": (8, 2, 3, 3)}, {}, fmap(2, TWICE), Macs(144, 144, FULL)),
    ("add", [fmap(8), fmap(8)], {}, {"factors": [1, -2.5], "activation": "relu"}, fmap(8), Macs(0, 0, FULL)),
    ("add", [fmap(8)], {"slopes": (8,)}, {"activation": "leaky_relu"}, fmap(8), Macs(0, 0, FULL)),
    ("pixel_shuffle", [fmap(27)], {}, {"scale": 3}, fmap(3, THRICE), Macs(0, 0, THRICE)),
    ("pixel_shuffle", [fmap(256, HALF)], {}, {"scale": 2}, fmap(64), Macs(0, 0, FULL)),
    (
        "pixel_shuffle",
        [fmap(64, TWICE)],
        {},
        {"scale": 2},
        fmap(16, Resolution(4)),
        Macs(0, 0, Resolution(4)),
    ),
    ("pixel_shuffle", [fmap(12), fmap(3, TWICE)], {}, {"scale": 2}, fmap(3, TWICE), Macs(0, 0, TWICE)),
    ("bicubic_upsample", [fmap(3)], {}, {"scale": 2}, fmap(3, TWICE), Macs(0, 0, TWICE)),
]


@pytest.mark.parametrize(("op", "inputs", "shapes", "attrs", "output", "macs"), VALID)
def test_valid_nodes(op, inputs, shapes, attrs, output, macs):
    result = typed(op, inputs, shapes, **attrs)
    assert result.output == output
    assert OPERATIONS[op].macs(result) == macs


def test_every_op_is_tested():
    assert {case[0] for case in VALID} == set(OPERATIONS)


INVALID = [
    ("image", [fmap(3)], {}, {}, "takes .., got 1 inputs"),
    ("image", [], {}, {"offset": [0, 0, 5]}, r"offset must lie in -1..1"),
    ("image", [], {}, {"offset": 0.5}, "offset must be a list of numbers"),
    ("conv2d", [MASK], CONV, {"kernel": 3}, "input x cannot be a mask"),
    ("conv2d", [fmap(9)], CONV, {"kernel": 3}, r"weight has shape \[16, 8, 3, 3\], expected \[O, 9, 3, 3\]"),
    ("conv2d", [fmap(8)], CONV, {"kernel": 1}, r"expected \[O, 8, 1, 1\]"),
    (
        "conv2d",
        [fmap(8)],
        CONV,
        {"kernel": 3, "activation": "gelu"},
        "activation must be one of none, relu, leaky",
    ),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "slope": 20.0}, "slope must lie in -16..16"),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "slope": True}, "slope must be a number"),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "residual": 1}, "residual must be true or false"),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "residual": True}, "nothing to convolve"),
    ("conv2d", [fmap(8), fmap(15)], CONV, {"kernel": 3, "residual": True}, "adds a map of 15 channels"),
    (
        "conv2d",
        [fmap(8), fmap(16, HALF)],
        CONV,
        {"kernel": 3, "residual": True},
        "at 1/2 resolution to a map",
    ),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "residual": True, "accumulate": True}, "cannot have both"),
    ("conv2d", [fmap(8), fmap(16, HALF)], WIDE, {"kernel": 1}, "maps of different resolutions"),
    ("conv2d", [fmap(8)] * 17, {"weight": (16, 136, 1, 1)}, {"kernel": 1}, "concatenates 17 inputs"),
    ("conv2d", [fmap(8)], {"weight": (16, 8, 3, 3), "bias": (8,)}, {"kernel": 3}, r"bias has shape \[8\]"),
    ("conv2d", [fmap(8)], {"weight": (0, 8, 3, 3)}, {"kernel": 3}, r"weight has shape \[0"),
    ("conv2d", [fmap(8)], {"bias": (8,)}, {"kernel": 3}, "weight role weight is missing"),
    (
        "masked_conv2d",
        [fmap(8), MASK],
        CONV,
        {"kernel": 3, "dense_in": [1], "dense_out": 1},
        "input mask cannot be",
    ),
    (
        "masked_conv2d",
        [MASK, fmap(8)],
        CONV,
        {"kernel": 3, "dense_in": [9], "dense_out": 1},
        "dense_in is larger",
    ),
    ("masked_conv2d", [MASK, fmap(8)], CONV, {"kernel": 3, "dense_in": [-1], "dense_out": 1}, "must lie in"),
    (
        "masked_conv2d",
        [MASK, fmap(8)],
        CONV,
        {"kernel": 3, "dense_in": [1, 1], "dense_out": 1},
        "2 numbers for 1",
    ),
    (
        "masked_conv2d",
        [MASK, fmap(8)],
        CONV,
        {"kernel": 3, "dense_in": [1], "dense_out": 17},
        "dense_out is larger",
    ),
    ("masked_conv2d", [MASK, fmap(8)], CONV, {"kernel": 3, "dense_in": [1]}, "dense_out is missing"),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "int8_scales": [0.0]}, "int8_scales must lie in"),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "int8_scales": [-0.1]}, "int8_scales must lie in"),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "int8_scales": [math.nan]}, "int8_scales must lie in"),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "int8_scales": 0.1}, "int8_scales must be a list"),
    ("conv2d", [fmap(8)], CONV, {"kernel": 3, "int8_scales": [0.1, 0.1]}, "2 int8 scales for 1 inputs"),
    (
        "masked_conv2d",
        [MASK, fmap(4), fmap(4)],
        CONV,
        {"kernel": 3, "dense_in": [0, 0], "dense_out": 0, "int8_scales": [0.1]},
        "1 int8 scales for 2 inputs",
    ),
    ("conv2d", [fmap(3)], {"weight": (16, 3, 3, 3)}, {"kernel": 3, "int8_scales": [0.1]}, "reads an image"),
    (
        "conv2d",
        [fmap(4096), fmap(4096)],
        {"weight": (16, 8192, 3, 3)},
        {"kernel": 3, "int8_scales": [0.1, 0.1]},
        "adds more than 65536 products",
    ),
    ("depthwise_conv3x3", [fmap(8)], {"weight": (8, 8, 3, 3)}, {}, r"expected \[8, 1, 3, 3\]"),
    ("depthwise_conv3x3", [fmap(8)], {"weight": (7, 1, 3, 3)}, {}, r"expected \[8, 1, 3, 3\]"),
    ("depthwise_conv3x3", [fmap(8)], {}, {}, "weight role weight is missing"),
    ("depthwise_conv3x3", [MASK], {"weight": (1, 1, 3, 3)}, {}, "input x cannot be a mask"),
    ("nearest_upsample", [fmap(8)], {}, {}, "scale is missing"),
    ("nearest_upsample", [fmap(8)], {}, {"scale": 9}, "scale must lie in 1..8"),
    ("sigmoid", [vector(8)], {}, {}, "input x cannot be a vector"),
    ("avg_pool2x2", [MASK], {}, {}, "input x cannot be"),
    ("bilinear_upsample", [fmap(8), fmap(8)], {}, {}, "not twice as large"),
    ("fold3x3", [fmap(8)], {}, {}, "needs a multiple of 9 channels, got 8"),
    ("layer_norm", [fmap(8)], {"weight": (8,), "bias": (9,)}, {}, r"bias has shape \[9\]"),
    ("layer_norm", [fmap(8)], {"weight": (8,)}, {}, "weight role bias is missing"),
    (
        "segment_attention",
        [fmap(25)],
        {},
        ATTENTION,
        "25 channels are not queries, keys and values of 2 heads",
    ),
    ("segment_attention", [fmap(198)], {}, ATTENTION, "with up to 32 channels"),
    ("segment_attention", [fmap(24)], {}, {**ATTENTION, "segments": 0}, "segments must lie in"),
    ("segment_attention", [fmap(24)], {}, {"heads": 2, "segments": 4}, "score_scale is missing"),
    ("conv_transpose2x", [MASK], {"weight": (8, 2, 3, 3)}, {}, "input x cannot be"),
    ("spatial_mask", [fmap(2, TWICE)], {}, {}, "input logits cannot be a map of 2 channels at x2 resolution"),
    ("add", [], {}, {}, r"takes \(x, ...\), got 0"),
    ("add", [fmap(8), fmap(9)], {}, {}, "adds a map of 9 channels"),
    ("add", [fmap(8), fmap(8, HALF)], {}, {}, "adds a map of 8 channels at 1/2 resolution"),
    ("add", [fmap(8)] * 17, {}, {}, "adds 17 maps, the limit is 16"),
    ("add", [fmap(8)] * 2, {}, {"factors": [1.0]}, "has 1 factors for 2 inputs"),
    ("add", [fmap(8)], {"slopes": (8,)}, {"activation": "relu"}, "has slopes, but"),
    ("add", [fmap(8)], {"slopes": (7,)}, {"activation": "leaky_relu"}, r"slopes has shape \[7\]"),
    ("spatial_mask", [fmap(3)], {}, {}, "input logits cannot be a map of 3 channels"),
    ("global_mean", [vector(3)], {}, {}, "input x cannot be a vector of 3 channels$"),
    ("channel_attention", [vector(8)], {**CA, "w2": (8, 3)}, {}, r"w2 has shape \[8, 3\], expected \[8, 2\]"),
    ("scale_add", [fmap(8), vector(7), fmap(8)], {}, {}, "scales 8 channels by a vector of 7"),
    ("scale_add", [fmap(8), vector(8), fmap(8, HALF)], {}, {}, "adds a map"),
    ("scale_add", [fmap(8)], {}, {}, r"takes \(x, vector, \[residual\]\), got 1"),
    ("pixel_shuffle", [fmap(12)], {}, {"scale": 3}, "needs a multiple of 9 channels, got 12"),
    (
        "pixel_shuffle",
        [fmap(12), fmap(3)],
        {},
        {"scale": 2},
        "adds a map of 3 channels at full resolution to",
    ),
    ("pixel_shuffle", [fmap(12)], {}, {"scale": 0}, "scale must lie in 1..8"),
    ("bicubic_upsample", [fmap(4)], {}, {"scale": 2}, "input image cannot be"),
]


@pytest.mark.parametrize(("op", "inputs", "shapes", "attrs", "says"), INVALID)
def test_invalid_nodes(op, inputs, shapes, attrs, says):
    with pytest.raises(ModelError, match=says):
        typed(op, inputs, shapes, **attrs)


def test_a_square_weight_must_be_square():
    """Both kernel sides are one symbol, even if only the tensor gives its value."""
    with pytest.raises(ModelError, match="expected"):
        typed("conv2d", [fmap(8)], {"weight": (16, 8, 3, 1)}, kernel=3)


def test_feature_inputs_and_addends():
    plain = Node("conv2d", ("a", "b"), "out", {"kernel": 3})
    added = Node("conv2d", ("a", "b"), "out", {"kernel": 3, "accumulate": True})
    masked = Node("masked_conv2d", ("m", "a"), "out", {"kernel": 3})
    assert [feature_inputs(node) for node in (plain, added, masked)] == [("a", "b"), ("a",), ("a",)]
    assert [has_addend(node) for node in (plain, added, masked)] == [False, True, False]


# --- rows: compared with the input rows that a one-dimensional reference implementation reads ---


def reads_conv3(r):
    return {r - 1, r, r + 1}


def reads_pool(r):
    return {2 * r, 2 * r + 1}


def reads_deconv(r):
    """Output r = 2 i - 1 + tap, tap 0..2."""
    return {(r + 1 - tap) // 2 for tap in range(3) if (r + 1 - tap) % 2 == 0}


def reads_bicubic(scale):
    def reads(r):
        first = int(np.floor((r + 0.5) / scale - 0.5)) - 1
        return set(range(first, first + 4))

    return reads


CONV_NODE = Node("conv2d", ("x", "add"), "out", {"kernel": 3, "residual": True})
MASKED_NODE = Node("masked_conv2d", ("m", "x", "y"), "out", {"kernel": 3})
ROW_CASES = [
    (CONV_NODE, 0, reads_conv3),
    (CONV_NODE, 1, lambda r: {r}),
    (Node("conv2d", ("x",), "out", {"kernel": 1}), 0, lambda r: {r}),
    (MASKED_NODE, 0, lambda r: {r}),
    (MASKED_NODE, 1, reads_conv3),
    (MASKED_NODE, 2, reads_conv3),
    (Node("depthwise_conv3x3", ("x",), "out"), 0, reads_conv3),
    (Node("nearest_upsample", ("x",), "out", {"scale": 3}), 0, lambda r: {r // 3}),
    (Node("sigmoid", ("x",), "out"), 0, lambda r: {r}),
    (Node("avg_pool2x2", ("x",), "out"), 0, reads_pool),
    (Node("conv_transpose2x", ("x",), "out"), 0, reads_deconv),
    (Node("spatial_mask", ("x",), "out"), 0, lambda r: {r}),
    (Node("scale_add", ("x", "v", "y"), "out"), 2, lambda r: {r}),
    (Node("pixel_shuffle", ("x", "y"), "out", {"scale": 3}), 0, lambda r: {r // 3}),
    (Node("pixel_shuffle", ("x", "y"), "out", {"scale": 3}), 1, lambda r: {r}),
    (Node("add", ("x", "y"), "out"), 1, lambda r: {r}),
    *(
        (Node("bicubic_upsample", ("x",), "out", {"scale": scale}), 0, reads_bicubic(scale))
        for scale in range(1, 9)
    ),
]


@pytest.mark.parametrize(("node", "index", "reads"), ROW_CASES)
@pytest.mark.parametrize("a", [0, 1, 6, 7])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_input_rows_are_exactly_those_read(node, index, reads, a, count):
    rows = set().union(*(reads(r) for r in range(a, a + count)))
    assert input_rows(node, a, a + count, index) == (min(rows), max(rows) + 1)
