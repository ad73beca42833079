"""Changes of resolution without multiplications: pooling, pixel shuffle and interpolation."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.attributes import SCALE
from sparsesr.modelfile.operations.facts import FP32_OR_BF16, InputSpec, NumberTypes, Rows, Sizes
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import resized, resolution_of
from sparsesr.modelfile.operations.value_types import PICTURE_CHANNELS, Kind, ValueType
from sparsesr.modelfile.spec import Node


def halve(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """As many channels at half the resolution."""
    return resized(inputs[0], inputs[0].channels, 1, 2)


def pool_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Two rows become one."""
    return 2 * a, 2 * b


def _pool_alike(node: Node) -> Sequence[Sequence[str]]:
    return [(*node.inputs, node.output)]


def shuffle_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Each pixel of a block of scale x scale comes from a channel of its own."""
    cell = SCALE.of(node) ** 2
    if inputs[0].channels % cell:
        raise ModelError(f"needs a multiple of {cell} channels, got {inputs[0].channels}")
    return {}


def shuffle_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The enlarged map; the skip must be like it."""
    scale = SCALE.of(node)
    output = resized(inputs[0], inputs[0].channels // scale**2, scale)
    if len(inputs) > 1 and inputs[1] != output:
        raise ModelError(f"adds a {inputs[1]} to a {output}")
    return output


def shuffle_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """A row becomes scale rows; the skip is read in place."""
    return (a, b) if index else (a // SCALE.of(node), -(-b // SCALE.of(node)))


def enlarge(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """As many channels at scale times the resolution."""
    return resized(inputs[0], inputs[0].channels, SCALE.of(node))


def bicubic_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Four rows around the place of each output row; half a row is lost to the centres of pixels."""
    scale = SCALE.of(node)
    return (2 * a + 1 - scale) // (2 * scale) - 1, (2 * b - 1 - scale) // (2 * scale) + 3


def like_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """The map to be enlarged has half the size of the other."""
    if resolution_of(inputs[1]) != resolution_of(inputs[0]).times(2):
        raise ModelError(f"brings a {inputs[0]} to the size of a {inputs[1]}, not twice as large")
    return {}


def like_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The channels of the first at the resolution of the second."""
    return ValueType(Kind.MAP, inputs[0].channels, inputs[1].resolution)


def like_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """Row y lies at y (h - 1) / (H - 1), with H = 2 h or 2 h + 1: not after y / 2, and less than 1.5 before."""
    return (a, b) if index else (a // 2 - 1, (b - 1) // 2 + 2)


AVG_POOL2X2 = Operation(
    name="avg_pool2x2",
    summary="mean of each 2x2 block; an odd last row or column is left out",
    inputs=(InputSpec("x", Kind.MAP),),
    infer=halve,
    rows=pool_rows,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, _pool_alike),
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
    enlarges=True,
)


BILINEAR_UPSAMPLE = Operation(
    name="bilinear_upsample",
    summary="bilinear, corners on corners (align_corners), to the size of a map that is twice as large",
    inputs=(InputSpec("x", Kind.MAP), InputSpec("like", Kind.MAP)),
    bind=like_bind,
    infer=like_infer,
    rows=like_rows,
)


BICUBIC_UPSAMPLE = Operation(
    name="bicubic_upsample",
    summary="bicubic, a = -0.75, half-pixel centres, clamped edges, as torch with align_corners False",
    inputs=(InputSpec("image", Kind.MAP, channels=PICTURE_CHANNELS),),
    attrs=(SCALE,),
    infer=enlarge,
    rows=bicubic_rows,
    enlarges=True,
)
