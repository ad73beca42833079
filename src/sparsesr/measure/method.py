"""Interface of measured methods: upscale an image and report its cost."""

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
"""An image to upscale: 8 bits, or floats around 0..1 if noise was added."""


@dataclass(frozen=True)
class Upscaled:
    """One upscaled image, 8 bits, and its cost."""

    image: Pixels
    masks: Mapping[str, float]
    """Density of each mask (fraction of active pixels), by the name of its tensor."""
    density: float
    """Density as the paper counts it: mean over masked layers of dense + sparse * mask."""
    macs: int
    seconds: float


class Method(Protocol):
    """A model in some runtime, or an algorithm without a model, ready to be measured."""

    model: ModelFile
    precision: str
    """Precision in use: ``fp32`` or ``bf16``."""
    precision_reason: str
    """Reason for the precision, as a clause."""

    def upscale(self, image: InputImage) -> Upscaled:
        """Upscale (H, W, 3) to 8 bits."""
        ...


def with_cost(
    model: ModelFile,
    lr: InputImage,
    image: Pixels,
    masks: Sequence[npt.NDArray[Any]],
    seconds: float,
) -> Upscaled:
    """Return an upscaled image with mask densities and the multiply-adds that follow from them.

    Args:
        model: the model that ran, for the counts.
        lr: the input image.
        image: the result.
        masks: one per ``spatial_mask`` of the graph, in order.
        seconds: duration of the run.
    """
    names = mask_names(model.graph)
    densities = {name: float(mask.mean()) for name, mask in zip(names, masks, strict=True)}
    macs = count_macs(model, lr.shape[0], lr.shape[1], densities).macs
    return Upscaled(image, densities, paper_density(model, densities), macs, seconds)


def placeholder_model(name: str, scale: int) -> ModelFile:
    """Return a stand-in model for a method without a model file: name and scale, no weights, no masks."""
    facts = Facts(name=name, architecture=name, scale=scale)
    nodes = (Node("image", (), "image"), Node("bicubic_upsample", ("image",), "output", {"scale": scale}))
    return ModelFile(facts, Graph("image", "output", nodes), {})
