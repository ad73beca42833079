"""Comparison of an exported ONNX file, run by onnxruntime, with our own run of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsesr.extras import is_installed
from sparsesr.measure.bench_image import made_up_image
from sparsesr.measure.peers.onnxruntime_peer import open_onnx
from sparsesr.measure.peers.runtimes import as_tensor
from sparsesr.modelfile.spec import ModelFile
from sparsesr.processor import usable_threads
from sparsesr.runtime.session import Session

TOLERANCE = 1e-4
"""Largest difference that is rounding, on 0..1."""
_ODD_SIZE = (61, 83)
_FLIPPED = 1e-3
"""Share of values that may differ more because a mask's logit lies next to its threshold."""


@dataclass(frozen=True)
class Difference:
    """Differences between the two results, on 0..1."""

    largest: float
    share_above: float
    """Share of values that differ by more than ``TOLERANCE``."""
    has_masks: bool

    @property
    def is_rounding(self) -> bool:
        """True if both compute the same function; a kept mask may differ at a few pixels."""
        return self.share_above <= (_FLIPPED if self.has_masks else 0)


def compare(
    model: ModelFile, serialized: bytes, size: tuple[int, int] | None, *, has_masks: bool
) -> Difference | None:
    """Run both on a generated image; None if onnxruntime is not installed.

    Args:
        model: the model for one scale.
        serialized: the ONNX file.
        size: height and width, if the file has a fixed size.
        has_masks: whether the file keeps the masks; otherwise our run is dense, too.
    """
    if not is_installed("onnxruntime"):
        return None
    height, width = size or _ODD_SIZE
    image = made_up_image(width, height).astype(np.float32) / np.float32(255)
    expected = Session(model).run(image, dense=not has_masks).image
    found = open_onnx(serialized, as_tensor(image), usable_threads(), "fp32").run()
    differences = np.abs(found[0].transpose(1, 2, 0) - expected)
    differences[~np.isfinite(differences)] = np.inf
    return Difference(float(differences.max()), float((differences > TOLERANCE).mean()), has_masks)
