"""3x3 neighbourhoods as channels, and the adjoint."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.operations.facts import InputSpec, Rows, Sizes
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.value_types import Kind, ValueType
from sparsesr.modelfile.spec import Node

PATCH = 9


def unfold_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """Nine times the channels: a 3x3 neighbourhood per pixel."""
    return ValueType(Kind.MAP, PATCH * inputs[0].channels, inputs[0].resolution)


def fold_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Check that the channels are those of 3x3 neighbourhoods."""
    if inputs[0].channels % PATCH:
        raise ModelError(f"needs a multiple of {PATCH} channels, got {inputs[0].channels}")
    return {}


def fold_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """A ninth of the channels."""
    return ValueType(Kind.MAP, inputs[0].channels // PATCH, inputs[0].resolution)


def patch_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """One more row on each side."""
    return a - 1, b + 1


UNFOLD3X3 = Operation(
    name="unfold3x3",
    summary="the 3x3 neighbourhood of each pixel as channels 9 c + 3 y + x",
    inputs=(InputSpec("x", Kind.MAP),),
    infer=unfold_infer,
    rows=patch_rows,
)


FOLD3X3 = Operation(
    name="fold3x3",
    summary="the adjoint of unfold3x3: for each pixel, the sum of its values in all neighbourhoods",
    inputs=(InputSpec("x", Kind.MAP),),
    bind=fold_bind,
    infer=fold_infer,
    rows=patch_rows,
)
