"""Source node: the input image."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.attributes import OFFSET
from sparsesr.modelfile.operations.facts import Sizes
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.value_types import FULL, IMAGE_CHANNELS, Kind, ValueType
from sparsesr.modelfile.spec import Node


def image_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """A map of red, green and blue."""
    return ValueType(Kind.MAP, IMAGE_CHANNELS, FULL)


IMAGE = Operation(
    name="image",
    summary="the LR image, 0..1, minus an offset per channel",
    inputs=(),
    attrs=(OFFSET,),
    infer=image_type,
)
