"""What the rules of a lowering share: the graph so far, and who reads what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsesr.errors import ModelError
from sparsesr.lab.export.graph_builder import GraphBuilder
from sparsesr.lab.export.values import Concat, HRPicture, LRPicture, Map, Value

IMAGE = "image"
Rule = Callable[["State", Any, str, Sequence[Any]], Value]


@dataclass
class State:
    """The graph so far, and who else reads a tensor."""

    build: GraphBuilder = field(default_factory=GraphBuilder)
    folds: bool = True
    """Whether parallel convolutions become one."""
    readers: dict[str, int] = field(default_factory=dict[str, int])
    """How many operations of the traced network read the tensor; fusing needs exactly one."""
    picture: LRPicture | None = None
    """What the ``image`` node stands for, once something has read it."""
    links: set[str] = field(default_factory=set[str])
    """Outputs of convolutions over parts of a concatenation; each may run as soon as its part is there."""
    closed: dict[str, HRPicture] = field(default_factory=dict[str, HRPicture])
    """Enlarged pictures that have become nodes, by the node."""
    calls: dict[str, int] = field(default_factory=dict[str, int])
    """How often a layer has been used."""

    def call_name(self, layer: str) -> str:
        """A name for the result of a layer; a second use of the same layer gets another."""
        self.calls[layer] = count = self.calls.get(layer, 0) + 1
        return layer if count == 1 else f"{layer}-{count}"

    def map_name(self, value: object) -> str:
        """The node that a value is. The image needs a convolution to take in its factor, unless that is 1."""
        if isinstance(value, Map):
            return value.name
        if isinstance(value, LRPicture) and value.factor == 1:
            return self.picture_node(value)
        if isinstance(value, HRPicture) and value.source is not None:
            return self.close(value, f"{value.source}.picture")
        raise ModelError(f"needs a feature map, got {words(value)}")

    def picture_node(self, picture: LRPicture) -> str:
        """The ``image`` node, which yields ``picture / picture.factor``."""
        if self.picture is None:
            offset = [float(value) for value in -picture.shift / picture.factor]
            self.build.add("image", (), IMAGE, offset=offset)
            self.picture = picture
        same = np.allclose(
            self.picture.shift / self.picture.factor, picture.shift / picture.factor, atol=1e-9
        )
        if not same:
            raise ModelError("the picture is used with two different offsets; shift it once")
        return IMAGE

    def can_fuse(self, value: object) -> bool:
        """True for a plain convolution that nobody else reads."""
        if not self.is_read_once(value, "conv2d"):
            return False
        return not self.build.node(self.map_name(value)).attrs.get("residual")

    def is_read_once(self, value: object, op: str) -> bool:
        """True for the result of this op that nobody else reads."""
        if not isinstance(value, Map) or self.readers.get(value.name, 0) != 1:
            return False
        return self.build.operation(value.name) == op

    def close(self, picture: HRPicture, output: str) -> str:
        """Turn an enlarged picture into a node: factor and shift go into its convolution. Returns the node."""
        source = str(picture.source)
        if output in self.closed:
            return self._closed_again(picture, output)
        if picture.skip is not None and abs(picture.skip_factor - 1) > 1e-6:
            raise ModelError(
                f"the enlarged input is added {picture.skip_factor:g} times; it must be added once"
            )
        attrs = self.build.node(source).attrs
        is_scaled = picture.factor != 1 or bool(picture.shift.any())
        if is_scaled and (attrs.get("activation", "none") != "none" or attrs.get("residual")):
            raise ModelError(f"{source}: nothing may stand between the last convolution and the result")
        if picture.factor != 1 and attrs.get("accumulate"):
            raise ModelError(f"{source}: a sum cannot be scaled")
        if is_scaled:
            self.build.scale_conv(source, picture.factor, np.repeat(picture.shift, picture.shuffle**2))
        self.closed[output] = picture
        return self._result_node(picture, source, output)

    def _result_node(self, picture: HRPicture, source: str, output: str) -> str:
        skips = [] if picture.skip is None else [picture.skip]
        if picture.shuffle > 1:
            return self.build.add("pixel_shuffle", [source, *skips], output, scale=picture.shuffle)
        if skips:
            if not self.build.is_before(skips[0], source):
                self.build.move_to_end(source)
            self.build.change(source, [*self.build.node(source).inputs, *skips], residual=True)
        return source

    def _closed_again(self, picture: HRPicture, output: str) -> str:
        known = self.closed[output]
        same = (known.factor, known.skip) == (picture.factor, picture.skip)
        if not same or not np.array_equal(known.shift, picture.shift):
            raise ModelError("an enlarged picture is used in two forms; scale and shift it once")
        return output if picture.shuffle > 1 else str(picture.source)


def words(value: object) -> str:
    """What a value is, for messages."""
    kinds: dict[type, str] = {
        LRPicture: "the picture",
        Concat: "a concatenation",
        HRPicture: "the enlarged picture",
    }
    return kinds.get(type(value), f"{type(value).__name__}")
