"""Peer runtimes, and the interface for further ones.

A runtime is named by its module, which is imported only in the process in which the runtime runs. Callers may add
runtimes that this package must not import, as the command line adds torch.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.errors import BackendError
from sparsesr.interchange.dense_model import dense_model
from sparsesr.measure.peers.peer import F32, Peer, Task
from sparsesr.modelfile.padding import Padding, padding_of
from sparsesr.modelfile.spec import ModelFile
from sparsesr.modelfile.validation import typed_nodes


@dataclass(frozen=True)
class PeerRuntime:
    """A runtime that can be opened for a model and an image."""

    name: str
    module: str
    """Module with a function ``open_peers(task: Task) -> list[Peer]``: one peer per precision. A runtime that reads
    ONNX also has ``open_onnx`` and ``PRECISIONS``, see :mod:`sparsesr.measure.peers.onnxruntime_peer`."""
    packages: tuple[str, ...]
    """Required packages."""

    def check_installed(self) -> None:
        """Raise BackendError unless all required packages are installed."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                raise BackendError(f"{self.name} needs the package {package}: pip install {package}")


RUNTIMES = (
    PeerRuntime("onnxruntime", "sparsesr.measure.peers.onnxruntime_peer", ("onnxruntime", "onnx")),
    PeerRuntime("openvino", "sparsesr.measure.peers.openvino_peer", ("openvino", "onnx")),
    PeerRuntime("ncnn", "sparsesr.measure.peers.ncnn_peer", ("ncnn",)),
)

_NO_PADDING = Padding(1)


def open_peers(
    runtimes: Sequence[PeerRuntime], model: ModelFile, image: npt.NDArray[Any], threads: int
) -> list[Peer]:
    """Open the runtimes with a model's dense form and an 8-bit image (H, W, 3)."""
    task = Task(dense_model(model), as_tensor(image, _padding(model)), threads)
    modules = [importlib.import_module(runtime.module) for runtime in runtimes]
    return [peer for module in modules for peer in module.open_peers(task)]


def _padding(model: ModelFile) -> Padding:
    return padding_of(model.facts, typed_nodes(model.graph, model.tensors))


def as_tensor(image: npt.NDArray[Any], padding: Padding = _NO_PADDING) -> F32:
    """Convert (H, W, 3), 8 bits or float, to (1, 3, H, W) in 0..1, padded by repeating the edge as in the runtime."""
    height, width = image.shape[:2]
    rows, columns = padding.size(height, width)
    padded = np.pad(image, ((0, rows - height), (0, columns - width), (0, 0)), mode="edge")
    values = padded.astype(np.float32) / np.float32(255 if image.dtype == np.uint8 else 1)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])
