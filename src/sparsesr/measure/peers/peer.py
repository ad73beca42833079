"""Interface of peer runtimes: their input, and an opened peer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sparsesr.modelfile.spec import ModelFile

F32 = npt.NDArray[np.float32]


class Runner(Protocol):
    """Upscales the image for which it was opened."""

    def __call__(self) -> F32:
        """Return the result, (1, 3, scale H, scale W) in about 0..1."""
        ...


@dataclass(frozen=True)
class Peer:
    """An opened runtime in one precision."""

    name: str
    """Runtime and precision, e.g. ``openvino bf16``."""
    precision: str
    mode: str
    """Version and settings, for people."""
    run: Runner


@dataclass(frozen=True)
class Task:
    """Input of every runtime."""

    model: ModelFile
    """The dense form of the model."""
    image: F32
    """(1, 3, H, W), 0..1, both sizes multiples of the model's."""
    threads: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.image.shape[2], self.image.shape[3]
