"""The gaps of a network's first mask, without running the rest of the network.

The gap of a pixel is logit 1 minus logit 0. Mask heads learn the logarithm of the interpolation error (see
``lab/sparsity/lesson.py``), so gaps say where there is detail to restore. An effort shifts the threshold that they
must exceed. For Skim the first mask is the only one, and depends on the image alone; for SMSR it is that of the first
module.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.spec import Graph, ModelFile, Node
from sparsesr.runtime.graph.prepared import supported_precisions
from sparsesr.runtime.session import Session

Pixels = npt.NDArray[Any]
Gaps = npt.NDArray[np.float32]

_GAP = "gap"


class MaskGaps:
    """Computes gaps; any number of threads may share one."""

    def __init__(self, model: ModelFile, threads: int | None = None, precision: str = "fp32") -> None:
        """``model``: reduced to one scale, with a mask; ``precision``: that of its runs."""
        head = gap_model(model)
        is_supported = precision in supported_precisions(head)
        self._session = Session(head, threads, precision if is_supported else "fp32")

    def __call__(self, pixels: Pixels) -> Gaps:
        """The gap of each of (H, W, 3) pixels, (H, W)."""
        return self._session.run(pixels, out_dtype=np.float32).image[..., 0].astype(np.float32, copy=False)


def gap_model(model: ModelFile) -> ModelFile:
    """The part of a network before its first mask; its three equal output channels, at scale 1, are the gap."""
    first = mask_names(model.graph)[0]
    logits = next(node for node in model.graph.nodes if node.output == first).inputs[0]
    weight = np.tile(np.array([[-1, 1]], np.float32), (3, 1))[:, :, None, None]
    gap = Node("conv2d", (logits,), _GAP, {"kernel": 1}, {"weight": f"{_GAP}.weight"})
    nodes = (*model.graph.only(logits).nodes, gap)
    used = {name for node in nodes for name in node.weights.values()}
    tensors = {name: tensor for name, tensor in model.tensors.items() if name in used}
    facts = replace(model.facts, scale=1)
    return ModelFile(facts, Graph(model.graph.input, _GAP, nodes), {**tensors, gap.weights["weight"]: weight})
