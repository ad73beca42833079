"""Sigmoid: the end of networks whose results lie in 0..1."""

from __future__ import annotations

from sparsesr.modelfile.operations.facts import InputSpec
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import same_type
from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.modelfile.spec import Node


def _in_place(node: Node, index: int) -> bool:
    return True


SIGMOID = Operation(
    name="sigmoid",
    summary="1 / (1 + exp(-x)) of every value; (tanh(x) + 1) / 2 is that of 2 x",
    inputs=(InputSpec("x", Kind.MAP),),
    infer=same_type,
    in_place=_in_place,
)
