"""Opens other runtimes by name, each in its best mode for the time of a single picture."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sparsesr.errors import BackendError, Parameter, UsageError
from sparsesr.lab.evaluate.dense_form import dense_model
from sparsesr.modelfile.spec import ModelFile

F32 = npt.NDArray[np.float32]


class Runner(Protocol):
    """Enlarges the one picture that it was opened for."""

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


_MODULES = {
    "torch": "sparsesr.lab.evaluate.peers.torch_peer",
    "onnxruntime": "sparsesr.lab.evaluate.peers.onnxruntime_peer",
    "openvino": "sparsesr.lab.evaluate.peers.openvino_peer",
    "ncnn": "sparsesr.lab.evaluate.peers.ncnn_peer",
}
"""Each has a function ``open_peers(task) -> list[Peer]``, one per precision that the runtime has."""
PEERS = tuple(_MODULES)


def parse_peers(text: str) -> list[str]:
    """``torch,openvino`` -> names.

    Raises:
        UsageError: a name is unknown.
        BackendError: a runtime, or what it needs, is not installed.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in _MODULES:
            raise UsageError(
                f"{name!r} is unknown", where=Parameter("peers"), remedy=f"choose from {', '.join(PEERS)}"
            )
        for package in (name,) if name in ("torch", "ncnn") else (name, "onnx"):
            if importlib.util.find_spec(package) is None:
                raise BackendError(
                    f"{name} needs the package {package}: pip install {package}", where=Parameter("peers")
                )
    return names


def open_peers(names: Sequence[str], model: ModelFile, image: npt.NDArray[Any], threads: int) -> list[Peer]:
    """The named runtimes with a model's dense form and a picture (H, W, 3) of 8 bits."""
    task = Task(dense_model(model), _as_tensor(image, model.facts.size_multiple), threads)
    return [peer for name in names for peer in importlib.import_module(_MODULES[name]).open_peers(task)]


def _as_tensor(image: npt.NDArray[Any], multiple: int) -> F32:
    """Padded by repeating the edge, as the native runtime pads."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="edge")
    values = padded.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])
