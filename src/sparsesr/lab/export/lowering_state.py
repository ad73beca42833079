"""State shared by the lowering rules: the graph so far, and the readers of each tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsesr.errors import ModelError
from sparsesr.lab.export.graph_builder import GraphBuilder
from sparsesr.lab.export.values import Concat, FeatureMap, HRImage, LRImage, Value

IMAGE = "image"
Rule = Callable[["LoweringState", Any, str, Sequence[Any]], Value]


@dataclass
class LoweringState:
    """The graph under construction, and the readers of its tensors."""

    build: GraphBuilder = field(default_factory=GraphBuilder)
    folds: bool = True
    """Merge parallel convolutions into one."""
    readers: dict[str, int] = field(default_factory=dict[str, int])
    """Number of traced operations that read a tensor; fusing needs exactly one."""
    image: LRImage | None = None
    """The value of the ``image`` node, once something has read it."""
    links: set[str] = field(default_factory=set[str])
    """Outputs of convolutions over parts of a concatenation; each may run as soon as its part is computed."""
    closed: dict[str, HRImage] = field(default_factory=dict[str, HRImage])
    """Upscaled images that were lowered to a node, by node."""
    calls: dict[str, int] = field(default_factory=dict[str, int])
    """Number of uses of each layer."""

    def call_name(self, layer: str) -> str:
        """A unique name for the result of a layer, also when the layer is used again."""
        self.calls[layer] = count = self.calls.get(layer, 0) + 1
        return layer if count == 1 else f"{layer}-{count}"

    def map_name(self, value: object) -> str:
        """Name of a value's node. An image with a factor other than 1 has none: only convolutions absorb factors."""
        if isinstance(value, FeatureMap):
            return value.name
        if isinstance(value, LRImage) and value.factor == 1:
            return self.image_node(value)
        if isinstance(value, HRImage) and value.source is not None:
            return self.close(value, f"{value.source}.image")
        raise ModelError(f"needs a feature map, got {kind_name(value)}")

    def image_node(self, image: LRImage) -> str:
        """Name of the ``image`` node, which yields ``image / image.factor``."""
        if self.image is None:
            offset = [float(value) for value in -image.shift / image.factor]
            self.build.add("image", (), IMAGE, offset=offset)
            self.image = image
        same = np.allclose(self.image.shift / self.image.factor, image.shift / image.factor, atol=1e-9)
        if not same:
            raise ModelError("the image is used with two different offsets; shift it only once")
        return IMAGE

    def can_fuse(self, value: object) -> bool:
        """True for a convolution without addend that has one reader."""
        if not self.is_read_once(value, "conv2d"):
            return False
        return not self.build.node(self.map_name(value)).attrs.get("residual")

    def is_read_once(self, value: object, op: str) -> bool:
        """True for a result of operation ``op`` that has one reader."""
        if not isinstance(value, FeatureMap) or self.readers.get(value.name, 0) != 1:
            return False
        return self.build.operation(value.name) == op

    def close(self, image: HRImage, output: str) -> str:
        """Lower an upscaled image: fold factor and shift into its convolution; returns the node's name."""
        source = str(image.source)
        if output in self.closed:
            return self._closed_again(image, output)
        self.fold(image)
        self.closed[output] = image
        return self._result_node(image, source, output)

    def fold(self, image: HRImage) -> None:
        """Fold the factor and shift of an upscaled image into the convolution that makes it."""
        source = str(image.source)
        if image.skip is not None and abs(image.skip_factor - 1) > 1e-6:
            raise ModelError(
                f"the upscaled input is added with factor {image.skip_factor:g}; the factor must be 1"
            )
        attrs = self.build.node(source).attrs
        is_scaled = image.factor != 1 or bool(image.shift.any())
        is_linear = self.build.operation(source) == "conv2d" and attrs.get("activation", "none") == "none"
        if is_scaled and (not is_linear or attrs.get("residual")):
            raise ModelError(f"{source}: only a factor and a shift may follow the last convolution")
        if image.factor != 1 and attrs.get("accumulate"):
            raise ModelError(f"{source}: a sum cannot be scaled")
        if is_scaled:
            self.build.scale_conv(source, image.factor, np.repeat(image.shift, image.shuffle**2))

    def _result_node(self, image: HRImage, source: str, output: str) -> str:
        skips = [] if image.skip is None else [image.skip]
        if image.shuffle > 1:
            return self.build.add("pixel_shuffle", [source, *skips], output, scale=image.shuffle)
        if skips:
            if not self.build.is_before(skips[0], source):
                self.build.move_to_end(source)
            self.build.change(source, [*self.build.node(source).inputs, *skips], residual=True)
        return source

    def _closed_again(self, image: HRImage, output: str) -> str:
        known = self.closed[output]
        same = (known.factor, known.skip) == (image.factor, image.skip)
        if not same or not np.array_equal(known.shift, image.shift):
            raise ModelError("an upscaled image is used with two factors or shifts; apply them only once")
        return output if image.shuffle > 1 else str(image.source)


def kind_name(value: object) -> str:
    """Description of a value's kind, for messages."""
    kinds: dict[type, str] = {
        LRImage: "the image",
        Concat: "a concatenation",
        HRImage: "the upscaled image",
    }
    return kinds.get(type(value), f"{type(value).__name__}")
