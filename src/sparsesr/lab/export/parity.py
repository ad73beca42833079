"""Parity check: compares a network in torch with its model file in the runtime."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from sparsesr.lab.export.torch_run import forced_masks, masks_of, run_torch
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.session import Session


@dataclass(frozen=True)
class ParityReport:
    """Largest differences over all images, on the 0..1 scale."""

    max_abs_same_masks: float
    """With the network forced to the runtime's masks: rounding only."""
    max_abs_free: float
    """With each side's own masks."""
    mask_flips: int
    """Mask pixels that are active on one side only, because their logits differ by less than rounding."""
    mask_pixels: int
    """Pixels of all masks."""


def check_parity(
    module: nn.Module,
    model: ModelFile,
    images: Iterable[npt.NDArray[Any]],
    threads: int | None = None,
) -> ParityReport:
    """Compare a network in evaluation mode, in torch, with its model file in the runtime.

    Args:
        module: the network, or :func:`sparsesr.lab.export.graph_module.graph_module` of the model.
        model: the model file exported from it.
        images: (H, W, 3) each, float 0..1 or uint8, of any size.
        threads: thread count of the runtime.
    """
    session = Session(model, threads)
    training = module.training
    module.eval()
    try:
        parts = [_compare(module, model, session, image) for image in images]
    finally:
        module.train(training)
    same, free, flips, pixels = zip(*parts, strict=True) if parts else ((0.0,), (0.0,), (0,), (0,))
    # numpy's maximum keeps a NaN, Python's may lose it
    return ParityReport(float(np.max(same)), float(np.max(free)), sum(flips), sum(pixels))


def _compare(
    module: nn.Module, model: ModelFile, session: Session, image: npt.NDArray[Any]
) -> tuple[float, float, int, int]:
    facts = model.facts
    result = session.run(image, out_dtype=np.float32, keep_masks=True)
    expected = run_torch(module, image, facts.scale, facts.size_multiple)
    theirs, ours = masks_of(module), result.masks or []
    flips = sum(_flips(a, b) for a, b in zip(theirs, ours, strict=True))
    free = same = _max_abs(expected, result.image)
    if flips:
        with forced_masks(module, _padded(ours, theirs)):
            same = _max_abs(run_torch(module, image, facts.scale, facts.size_multiple), result.image)
    return same, free, flips, sum(mask.size for mask in ours)


def _flips(theirs: npt.NDArray[np.bool_], ours: npt.NDArray[np.bool_]) -> int:
    height, width = ours.shape
    return int(np.count_nonzero(theirs[:height, :width] != ours))


def _padded(ours: list[Any], theirs: list[Any]) -> list[Any]:
    """The runtime may crop its masks to the image; padding rows and columns are taken from the network's masks."""
    forced = [mask.copy() for mask in theirs]
    for mask, known in zip(forced, ours, strict=True):
        mask[: known.shape[0], : known.shape[1]] = known
    return forced


def _max_abs(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    return float(np.abs(a.astype(np.float64) - b).max())
