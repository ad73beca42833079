"""Rules shared by several entries.

The rules of a family have one signature: ``bind`` (sizes known from inputs and attributes), ``infer`` (type of the
output), ``rows`` (input rows that output rows depend on) and ``macs`` (multiply-adds).
"""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.attributes import INT8_SCALES, KERNEL
from sparsesr.modelfile.operations.facts import Macs, Rows, Sizes
from sparsesr.modelfile.operations.value_types import FULL, Kind, Resolution, TypedNode, ValueType
from sparsesr.modelfile.spec import Node

MAX_CONCAT = 16
"""Maps of a convolution; a limit of the kernels."""
MAX_INT8_TERMS = 65536
"""Products of 8 bits whose sum fits in 32 bits; a limit of the kernels."""


def no_sizes(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """No sizes are known before the weights."""
    return {}


def same_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """The output has the type of the first input."""
    return inputs[0]


def same_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """An output row depends on the same input row."""
    return a, b


def no_macs(typed: TypedNode) -> Macs:
    """Sums, copies, interpolation and elementwise products are not counted, as is usual."""
    return Macs(0, 0, typed.output.resolution)


def no_features(node: Node) -> tuple[str, ...]:
    """No input is multiplied by weights."""
    return ()


def all_inputs(node: Node) -> tuple[str, ...]:
    """Every input is multiplied by weights."""
    return node.inputs


def maps_and_output(node: Node) -> Sequence[Sequence[str]]:
    """All inputs and the output have the same number type."""
    return [(*node.inputs, node.output)]


def never(node: Node) -> bool:
    """False for every node."""
    return False


def never_in_place(node: Node, index: int) -> bool:
    """The output needs a buffer of its own."""
    return False


def always_in_place(node: Node, index: int) -> bool:
    """True: the output may take the place of any input."""
    return True


def never_absorbs(node: Node, writer: Node) -> bool:
    """Every input is computed by its own node."""
    return False


def absorbs_nothing(typed: TypedNode, writer: TypedNode) -> TypedNode | None:
    """Every node does its own work."""
    return None


def vector_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """One number per channel of the input."""
    return ValueType(Kind.VECTOR, inputs[0].channels, None)


def mask_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """One flag per pixel."""
    return ValueType(Kind.MASK, 1, FULL)


def resized(value: ValueType, channels: int, up: int, down: int = 1) -> ValueType:
    """A map of ``channels`` channels at ``up / down`` times the resolution of ``value``."""
    return ValueType(Kind.MAP, channels, resolution_of(value).times(up, down))


def resolution_of(value: ValueType) -> Resolution:
    """Resolution of a map, which always has one."""
    return value.resolution or FULL


def check_int8_scales(node: Node, features: Sequence[ValueType]) -> None:
    """Check that a convolution has a scale for each of the maps it multiplies, or none, and can run in int8."""
    scales = INT8_SCALES.of(node)
    if not scales:
        return
    if len(scales) != len(features):
        raise ModelError(f"has {len(scales)} int8 scales for {len(features)} inputs")
    obstacle = int8_obstacle(node, features)
    if obstacle is not None:
        raise ModelError(f"has int8 scales, but {obstacle}")


def int8_obstacle(node: Node, features: Sequence[ValueType]) -> str | None:
    """What prevents a convolution of these maps from running in int8, as a clause; None if nothing does."""
    if any(value.is_image for value in features):
        return "reads an image, which stays in fp32"
    if sum(value.channels for value in features) * KERNEL.of(node) ** 2 > MAX_INT8_TERMS:
        return f"adds more than {MAX_INT8_TERMS} products"
    return None


def concat_channels(features: Sequence[ValueType]) -> int:
    """Total channels of concatenated maps."""
    if not features:
        raise ModelError("has nothing to convolve")
    if len(features) > MAX_CONCAT:
        raise ModelError(f"concatenates {len(features)} inputs, the limit is {MAX_CONCAT}")
    if len({feature.resolution for feature in features}) != 1:
        raise ModelError("concatenates maps of different resolutions")
    return sum(feature.channels for feature in features)
