"""What is measured: a way to upscale images that says what each image cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.spec import Facts, Graph, ModelFile, Node
from sparsesr.runtime.graph.cost import count_macs, paper_density

Pixels = npt.NDArray[np.uint8]
InputImage = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""An image to upscale: 8 bits, or floats around 0..1 when noise was added."""


@dataclass(frozen=True)
class Upscaled:
    """One upscaled image, 8 bits, and its cost."""

    image: Pixels
    masks: Mapping[str, float]
    """Density of each mask: fraction of active pixels, by the name of its tensor."""
    density: float
    """As the paper counts: mean over masked layers of dense + sparse * mask."""
    macs: int
    seconds: float


class Method(Protocol):
    """A model in some runtime, or an algorithm without a model, ready to be measured."""

    model: ModelFile
    precision: str
    """``fp32`` or ``bf16``: what it actually computes in..."""
    precision_reason: str
    """...and why, as a clause."""

    def upscale(self, image: InputImage) -> Upscaled:
        """Upscale (H, W, 3) to 8 bits."""
        ...


def with_cost(
    model: ModelFile,
    given: InputImage,
    image: Pixels,
    masks: Sequence[npt.NDArray[Any]],
    seconds: float,
) -> Upscaled:
    """An upscaled image with the densities of its masks and the multiply-adds that follow from them.

    Args:
        model: the model that ran, for the counts.
        given: the image that was upscaled.
        image: the result.
        masks: one per ``spatial_mask`` of the graph, in order.
        seconds: how long it took.
    """
    names = mask_names(model.graph)
    densities = {name: float(mask.mean()) for name, mask in zip(names, masks, strict=True)}
    macs = count_macs(model, given.shape[0], given.shape[1], densities).macs
    return Upscaled(image, densities, paper_density(model, densities), macs, seconds)


def without_network(name: str, scale: int) -> ModelFile:
    """What a method without a model file of its own says about itself: its name and scale; no weights, no masks."""
    facts = Facts(name=name, architecture=name, scale=scale)
    nodes = (Node("image", (), "image"), Node("bicubic_upsample", ("image",), "output", {"scale": scale}))
    return ModelFile(facts, Graph("image", "output", nodes), {})
