"""Attributes of nodes. A name means the same in every op that has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

from sparsesr.modelfile.spec import Attr, Node

T = TypeVar("T", int, float, str, bool, "list[int]", "list[float]")
MAX_SCALE = 8


@dataclass(frozen=True)
class AttrSpec(Generic[T]):
    """One attribute: its valid values, and how to read it from a node."""

    name: str
    kind: str
    """``int``, ``float``, ``str``, ``bool``, ``ints`` or ``floats``."""
    default: T | None = None
    """Value where the node has none; None: the attribute is required."""
    choices: tuple[int | str, ...] = ()
    low: float = -1e6
    high: float = 1e6
    length: int | None = None

    def of(self, node: Node) -> T:
        """Return the attribute's value in a valid node."""
        return cast("T", node.attrs.get(self.name, self.default))

    def problem(self, node: Node) -> str | None:
        """Return what is wrong with the attribute's value in a node, or None."""
        value: Attr | None = node.attrs.get(self.name, self.default)
        if value is None:
            return "is missing"
        items: Sequence[int | float | str] = value if isinstance(value, list) else (value,)
        type_names, words = _KINDS[self.kind]
        if isinstance(value, list) != self.kind.endswith("s") or any(
            type(i).__name__ not in type_names for i in items
        ):
            return f"must be {words}"
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(str(choice) for choice in self.choices)}"
        if self.length is not None and len(items) != self.length:
            return f"must have {self.length} numbers"
        if any(not isinstance(item, str) and not self.low <= item <= self.high for item in items):
            return f"must lie in {self.low:g}..{self.high:g}"
        return None


_KINDS = {
    "int": (("int",), "a whole number"),
    "float": (("int", "float"), "a number"),
    "str": (("str",), "a string"),
    "bool": (("bool",), "true or false"),
    "ints": (("int",), "a list of whole numbers"),
    "floats": (("int", "float"), "a list of numbers"),
}

AnyAttr: TypeAlias = "AttrSpec[Any]"

KERNEL: AttrSpec[int] = AttrSpec("kernel", "int", choices=(1, 3))
"""Side of the convolution kernel in pixels."""
ACTIVATION: AttrSpec[str] = AttrSpec(
    "activation", "str", default="none", choices=("none", "relu", "leaky_relu")
)
"""Function applied to the result of a convolution or sum."""
SLOPE: AttrSpec[float] = AttrSpec("slope", "float", default=0.0, low=-16.0, high=16.0)
"""Slope of leaky_relu below zero; learned slopes (PReLU) may have any value."""
RESIDUAL: AttrSpec[bool] = AttrSpec("residual", "bool", default=False)
"""The last input is added after the activation."""
ACCUMULATE: AttrSpec[bool] = AttrSpec("accumulate", "bool", default=False)
"""The last input is added before the activation."""
TO_RESULT: AttrSpec[bool] = AttrSpec("to_result", "bool", default=False)
"""The output is the result in its own type, not a map; the runtime sets this, model files may not have it."""
ENLARGES_SKIP: AttrSpec[bool] = AttrSpec("enlarges_skip", "bool", default=False)
"""The last input is an image yet to be enlarged; as ``to_result``."""
OUTSIDE_UNWRITTEN: AttrSpec[bool] = AttrSpec("outside_unwritten", "bool", default=False)
"""Inactive pixels of the output are not written, since its readers know what they would be; as ``to_result``."""
REACH: AttrSpec[int] = AttrSpec("reach", "int", low=0, high=8)
"""Distance from active pixels, diagonals included, within which an operation is computed."""
INT8_SCALES: AttrSpec[list[float]] = AttrSpec("int8_scales", "floats", default=[], low=1e-12, high=1e12)
"""In int8, the step of each feature input, whose values are whole numbers of steps; empty: the layer stays in fp32."""
DENSE_IN: AttrSpec[list[int]] = AttrSpec("dense_in", "ints", low=0)
"""Leading channels of each feature input that are read at every pixel."""
DENSE_OUT: AttrSpec[int] = AttrSpec("dense_out", "int", low=0)
"""Leading output channels that are computed at every pixel."""
BALANCED: AttrSpec[list[int]] = AttrSpec("balanced", "ints", default=[], low=0)
"""Weights kept and inputs in every block of a balanced weight (``modelfile/balanced.py``); empty: any weight."""
SCALE: AttrSpec[int] = AttrSpec("scale", "int", low=1, high=MAX_SCALE)
"""Output size / input size."""
FACTORS: AttrSpec[list[float]] = AttrSpec("factors", "floats", default=[])
"""Factor of each input; empty: all 1."""
HEADS: AttrSpec[int] = AttrSpec("heads", "int", low=1, high=64)
"""Attention heads."""
SEGMENTS: AttrSpec[int] = AttrSpec("segments", "int", low=1, high=4096)
"""Number of segments into which the tokens of an image are cut for attention."""
SCORE_SCALE: AttrSpec[float] = AttrSpec("score_scale", "float", low=0.0)
"""Factor of attention scores."""
EPSILON: AttrSpec[float] = AttrSpec("epsilon", "float", default=1e-5, low=0.0, high=1.0)
"""Added to a variance before its square root is taken."""
OFFSET: AttrSpec[list[float]] = AttrSpec(
    "offset", "floats", default=[0.0, 0.0, 0.0], low=-1.0, high=1.0, length=3
)
"""Subtracted from red, green and blue."""
