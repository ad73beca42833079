"""Operations of networks with attention between pixels, in ONNX. Image sizes are computed when the file runs."""

from __future__ import annotations

import numpy as np

from sparsesr.interchange.onnx_builder import OnnxBuilder
from sparsesr.modelfile.operations.attributes import EPSILON, HEADS, SCORE_SCALE, SEGMENTS
from sparsesr.modelfile.operations.patches import PATCH
from sparsesr.modelfile.operations.value_types import TypedNode

_NEVER = -1e30
"""Score of a pixel that does not exist: its weight after the softmax is 0."""


def bilinear_upsample(build: OnnxBuilder, entry: TypedNode) -> None:
    """Interpolation with aligned corners to the size of the second map."""
    feature, like = entry.node.inputs
    size = build.add("Concat", [build.numbers(1, entry.output.channels), build.sides(like)], axis=0)
    settings = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    build.add("Resize", [feature, "", "", size], entry.node.output, **settings)


def unfold3x3(build: OnnxBuilder, entry: TypedNode) -> None:
    """A convolution of each channel with nine kernels that pick one neighbour each."""
    channels = entry.inputs[0].channels
    picks = np.eye(PATCH, dtype=np.float32).reshape(PATCH, 1, 3, 3)
    kernel = build.constant(f"unfold:{channels}", np.tile(picks, (channels, 1, 1, 1)))
    build.add("Conv", [*entry.node.inputs, kernel], entry.node.output, group=channels, **_same_size())


def fold3x3(build: OnnxBuilder, entry: TypedNode) -> None:
    """A convolution of each nine channels with one kernel, which gives back what its neighbours have picked."""
    channels = entry.output.channels
    gives = np.eye(PATCH, dtype=np.float32)[:, ::-1].reshape(1, PATCH, 3, 3)
    kernel = build.constant(f"fold:{channels}", np.tile(gives, (channels, 1, 1, 1)))
    build.add("Conv", [*entry.node.inputs, kernel], entry.node.output, group=channels, **_same_size())


def _same_size() -> dict[str, list[int]]:
    return {"kernel_shape": [3, 3], "pads": [1] * 4}


def layer_norm(build: OnnxBuilder, entry: TypedNode) -> None:
    """Step by step: ONNX's own normalises the last axis, and channels are the second."""
    node = entry.node
    centred = build.add("Sub", [node.inputs[0], _channel_mean(build, node.inputs[0])])
    variance = _channel_mean(build, build.add("Mul", [centred, centred]))
    epsilon = build.constant(f"{node.output}:epsilon", np.array(EPSILON.of(node), np.float32))
    deviation = build.add("Sqrt", [build.add("Add", [variance, epsilon])])
    value = build.add("Div", [centred, deviation])
    for role, op in (("weight", "Mul"), ("bias", "Add")):
        factors = build.per_channel(f"{node.output}:{role}", build.model.tensors[node.weights[role]])
        value = build.add(op, [value, factors])
    build.named(value, node.output)


def _channel_mean(build: OnnxBuilder, value: str) -> str:
    return build.add("ReduceMean", [value], axes=[1], keepdims=1)


def segment_attention(build: OnnxBuilder, entry: TypedNode) -> None:
    """Attention among equal segments; the last one is filled up with pixels that nobody attends to."""
    node, heads = entry.node, HEADS.of(entry.node)
    channels = entry.output.channels // heads
    tokens = build.add("Reshape", [node.inputs[0], build.numbers(3, heads, channels, -1)])
    pixels = build.sliced(build.add("Shape", [tokens]), build.numbers(3), build.numbers(4), build.numbers(0))
    length, count = _segments(build, pixels, SEGMENTS.of(node))
    missing = build.add("Sub", [build.add("Mul", [length, count]), pixels])
    padded = build.add("Pad", [tokens, build.add("Concat", [build.numbers(*[0] * 7), missing], axis=0)])
    parts = build.add("Concat", [build.numbers(3, heads, channels), count, length], axis=0)
    cut = build.add("Reshape", [padded, parts])  # (3, heads, channels, count, length)
    query, key, value = (build.add("Gather", [cut, _index(build, part)], axis=0) for part in range(3))
    query, value = (build.add("Transpose", [each], perm=[0, 2, 3, 1]) for each in (query, value))
    key = build.add("Transpose", [key], perm=[0, 2, 1, 3])
    scale = build.constant(f"{node.output}:score_scale", np.array(SCORE_SCALE.of(node), np.float32))
    scores = build.add("Mul", [build.add("MatMul", [query, key]), scale])
    scores = build.add("Add", [scores, _absent(build, pixels, missing, count, length)])
    attended = build.add("MatMul", [build.add("Softmax", [scores], axis=-1), value])
    attended = build.add("Transpose", [attended], perm=[0, 3, 1, 2])
    attended = build.add("Reshape", [attended, build.numbers(1, heads * channels, -1)])
    attended = build.sliced(attended, build.numbers(0), pixels, build.numbers(2))
    sides = build.sides(node.inputs[0])
    shape = build.add("Concat", [build.numbers(1, heads * channels), sides], axis=0)
    build.add("Reshape", [attended, shape], node.output)


def _segments(build: OnnxBuilder, pixels: str, segments: int) -> tuple[str, str]:
    """Pixels per segment, as in ``segment_tokens``, and the number of segments, the last one included."""
    one = build.numbers(1)
    length = build.add("Max", [build.add("Div", [pixels, build.numbers(segments)]), one])
    rounded_up = build.add("Sub", [build.add("Add", [pixels, length]), one])
    return length, build.add("Div", [rounded_up, length])


def _absent(build: OnnxBuilder, pixels: str, missing: str, count: str, length: str) -> str:
    """(count, 1, length): 0 for pixels of the image, and a score that rules the others out."""
    present = build.add("Expand", [build.constant("zero", np.zeros(1, np.float32)), pixels])
    never = build.constant("never", np.array(_NEVER, np.float32))
    pads = build.add("Concat", [build.numbers(0), missing], axis=0)
    scores = build.add("Pad", [present, pads, never])
    return build.add("Reshape", [scores, build.add("Concat", [count, build.numbers(1), length], axis=0)])


def _index(build: OnnxBuilder, index: int) -> str:
    return build.constant(f"index:{index}", np.array(index, np.int64))
