"""What other runtimes are given, and what they look like once they are ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sparsesr.modelfile.spec import ModelFile

F32 = npt.NDArray[np.float32]


class Runner(Protocol):
    """Upscales the one image that it was opened for."""

    def __call__(self) -> F32:
        """The result, (1, 3, scale H, scale W) in about 0..1."""
        ...


@dataclass(frozen=True)
class Peer:
    """A runtime that is ready, in one precision."""

    name: str
    """Runtime and precision, such as ``openvino bf16``."""
    precision: str
    mode: str
    """Version and settings, in words."""
    run: Runner


@dataclass(frozen=True)
class Task:
    """What every runtime is given."""

    model: ModelFile
    """In the dense form."""
    image: F32
    """(1, 3, H, W), 0..1, both sizes multiples of the model's."""
    threads: int
