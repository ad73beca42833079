"""Attention among the pixels of a segment: a run of pixels in raster order.

These segments of an image are unrelated to the segments of a graph (``runtime/graph/segments.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.attributes import HEADS, SCORE_SCALE, SEGMENTS
from sparsesr.modelfile.operations.facts import InputSpec, Macs, Rows, Sizes
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.value_types import Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node

MAX_HEAD_CHANNELS = 32


def segment_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Check that the channels are the queries, keys and values of all heads."""
    channels, heads = inputs[0].channels, HEADS.of(node)
    if channels % (3 * heads) or channels // (3 * heads) > MAX_HEAD_CHANNELS:
        raise ModelError(
            f"{channels} channels are not queries, keys and values of {heads} heads with up to"
            f" {MAX_HEAD_CHANNELS} channels"
        )
    return {}


def segment_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The channels of the values."""
    return ValueType(Kind.MAP, inputs[0].channels // 3, inputs[0].resolution)


def whole_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """All rows from the first."""
    return 0, b


def segment_macs(typed: TypedNode) -> Macs:
    """A score and a weighted value per channel and pair of tokens."""
    channels = typed.output.channels
    return Macs(0, 0, typed.output.resolution, 2 * channels, SEGMENTS.of(typed.node))


def segment_tokens(tokens: int, segments: int) -> int:
    """Tokens per segment, at least 1; the remainder forms further segments of at most that length."""
    return max(1, tokens // segments)


SEGMENT_ATTENTION = Operation(
    name="segment_attention",
    summary="softmax(score_scale q k) v per head, among the pixels of a segment: pixels in raster order "
    "are cut into segments of equal length, and the remainder into further ones",
    inputs=(InputSpec("qkv", Kind.MAP),),
    attrs=(HEADS, SEGMENTS, SCORE_SCALE),
    bind=segment_bind,
    infer=segment_infer,
    rows=whole_rows,
    macs=segment_macs,
    sees_whole_image=True,
    attends_across_pixels=True,
)
