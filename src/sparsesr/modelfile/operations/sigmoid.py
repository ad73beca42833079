"""Sigmoid: the end of networks whose results lie in 0..1."""

from __future__ import annotations

from sparsesr.modelfile.operations.facts import InputSpec
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import always_in_place, same_type
from sparsesr.modelfile.operations.value_types import Kind

SIGMOID = Operation(
    name="sigmoid",
    summary="1 / (1 + exp(-x)) of every value; (tanh(x) + 1) / 2 is that of 2 x",
    inputs=(InputSpec("x", Kind.MAP),),
    infer=same_type,
    in_place=always_in_place,
)
