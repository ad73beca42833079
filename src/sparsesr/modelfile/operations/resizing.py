"""Changes of resolution without weights: pooling, pixel shuffle and interpolation."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.attributes import ENLARGES_SKIP, SCALE
from sparsesr.modelfile.operations.facts import FP32_OR_BF16, InputSpec, NumberTypes, Rows, Sizes
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import maps_and_output, resized, resolution_of
from sparsesr.modelfile.operations.value_types import IMAGE_CHANNELS, Kind, ValueType
from sparsesr.modelfile.spec import Node


def halve(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The same channels at half the resolution."""
    return resized(inputs[0], inputs[0].channels, 1, 2)


def pool_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """An output row depends on two input rows."""
    return 2 * a, 2 * b


def shuffle_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Check the channels: each pixel of a scale x scale block comes from a channel of its own."""
    cell = SCALE.of(node) ** 2
    if inputs[0].channels % cell:
        raise ModelError(f"needs a multiple of {cell} channels, got {inputs[0].channels}")
    return {}


def shuffle_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The upscaled map; the skip must have the same type."""
    scale = SCALE.of(node)
    output = resized(inputs[0], inputs[0].channels // scale**2, scale)
    if len(inputs) > 1 and inputs[1] != output:
        raise ModelError(f"adds a {inputs[1]} to a {output}")
    return output


def shuffle_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """An input row becomes ``scale`` output rows; the skip's rows are the output's, unless it is yet to be enlarged."""
    if index == 0:
        return a // SCALE.of(node), -(-b // SCALE.of(node))
    return bicubic_rows(node, a, b, 0) if ENLARGES_SKIP.of(node) else (a, b)


def _absorbs_skip(node: Node, writer: Node) -> bool:
    return writer.op == BICUBIC_UPSAMPLE.name and SCALE.of(writer) == SCALE.of(node)


def upscale(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The same channels at ``scale`` times the resolution."""
    return resized(inputs[0], inputs[0].channels, SCALE.of(node))


def bicubic_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Four input rows around the position of each output row; pixel centres shift it by half a row."""
    scale = SCALE.of(node)
    return (2 * a + 1 - scale) // (2 * scale) - 1, (2 * b - 1 - scale) // (2 * scale) + 3


def like_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Check that the first map has half the resolution of the second."""
    if resolution_of(inputs[1]) != resolution_of(inputs[0]).times(2):
        raise ModelError(f"upscales a {inputs[0]} to the size of a {inputs[1]}, not twice as large")
    return {}


def like_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The channels of the first at the resolution of the second."""
    return ValueType(Kind.MAP, inputs[0].channels, inputs[1].resolution)


def like_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Output row y lies at input y (h - 1) / (H - 1), H = 2 h or 2 h + 1: at most y / 2, more than y / 2 - 1.5."""
    return (a, b) if index else (a // 2 - 1, (b - 1) // 2 + 2)


AVG_POOL2X2 = Operation(
    name="avg_pool2x2",
    summary="mean of each 2x2 block; an odd last row or column is left out",
    inputs=(InputSpec("x", Kind.MAP),),
    infer=halve,
    rows=pool_rows,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, maps_and_output),
)


PIXEL_SHUFFLE = Operation(
    name="pixel_shuffle",
    summary="C s s channels -> C channels at s times the resolution, in torch's channel order; plus the "
    "skip if given",
    inputs=(InputSpec("x", Kind.MAP), InputSpec("skip", Kind.MAP, optional=True)),
    attrs=(SCALE,),
    bind=shuffle_bind,
    infer=shuffle_infer,
    rows=shuffle_rows,
    upscales=True,
    writes_results=True,
    absorbs_skip=_absorbs_skip,
)


BILINEAR_UPSAMPLE = Operation(
    name="bilinear_upsample",
    summary="bilinear interpolation with aligned corners (align_corners), to the size of a map twice as large",
    inputs=(InputSpec("x", Kind.MAP), InputSpec("like", Kind.MAP)),
    bind=like_bind,
    infer=like_infer,
    rows=like_rows,
)


BICUBIC_UPSAMPLE = Operation(
    name="bicubic_upsample",
    summary="bicubic, a = -0.75, half-pixel centres, clamped edges, as torch with align_corners False",
    inputs=(InputSpec("image", Kind.MAP, channels=IMAGE_CHANNELS),),
    attrs=(SCALE,),
    infer=upscale,
    rows=bicubic_rows,
    upscales=True,
)
