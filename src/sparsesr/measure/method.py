"""What is measured: something that enlarges pictures and says what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sparsesr.modelfile.spec import ModelFile

Pixels = npt.NDArray[np.uint8]
Given = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""A picture to enlarge: 8 bits, or float of about 0..1 with noise."""


@dataclass(frozen=True)
class Enlarged:
    """One picture enlarged, 8 bits, and what it took."""

    image: Pixels
    masks: Mapping[str, float]
    """Density of each mask: fraction of active pixels, by the name of its tensor."""
    density: float
    """As the paper counts: mean over masked layers of dense + sparse * mask."""
    macs: int
    seconds: float


class Form(Protocol):
    """A model, ready to be measured."""

    model: ModelFile
    precision: str
    """``fp32`` or ``bf16``: what it really computes in..."""
    precision_reason: str
    """...and why, as a clause."""

    def enlarge(self, image: Given) -> Enlarged:
        """Enlarge (H, W, 3) to 8 bits."""
        ...
