"""Quantised copies of maps. The runtime adds them to networks that run in int8; model files may not have them.

The node that computes a map writes its copy, too, while the values are in a near cache.
"""

from __future__ import annotations

from sparsesr.modelfile.operations.facts import FP32_OR_BF16, InputSpec, NumberTypes
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import same_type
from sparsesr.modelfile.operations.value_types import Kind

QUANTISE = Operation(
    name="quantise",
    summary="the map in steps of its scale, rounded to whole numbers of 8 bits",
    inputs=(InputSpec("x", Kind.MAP),),
    infer=same_type,
    number_types=NumberTypes(reads=FP32_OR_BF16, writes=frozenset({"u8"})),
    is_eager=True,
    is_by_product=True,
)
