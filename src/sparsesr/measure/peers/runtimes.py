"""The runtimes to compare with, and how any other is plugged in.

A peer runtime is named by its module, which is imported only where the runtime runs: in a process of its own. Whoever
calls may add runtimes that this package must not know, as the command line adds torch.
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
from sparsesr.measure.peers.dense_form import dense_model
from sparsesr.measure.peers.peer import F32, Peer, Task
from sparsesr.modelfile.padding import Padding, padding_of
from sparsesr.modelfile.spec import ModelFile
from sparsesr.modelfile.validation import type_graph


@dataclass(frozen=True)
class PeerRuntime:
    """A runtime that can be opened for a model and an image."""

    name: str
    module: str
    """Has a function ``open_peers(task: Task) -> list[Peer]``: a peer for each precision of the runtime. If it reads
    ONNX, also ``open_onnx`` and ``PRECISIONS``, see :mod:`sparsesr.measure.peers.onnxruntime_peer`."""
    packages: tuple[str, ...]
    """What must be installed."""

    def check_installed(self) -> None:
        """BackendError unless all packages are there."""
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
    """The runtimes, ready with a model's dense form and an image (H, W, 3) of 8 bits."""
    task = Task(dense_model(model), as_tensor(image, _padding(model)), threads)
    modules = [importlib.import_module(runtime.module) for runtime in runtimes]
    return [peer for module in modules for peer in module.open_peers(task)]


def _padding(model: ModelFile) -> Padding:
    shapes = {name: tensor.shape for name, tensor in model.tensors.items()}
    return padding_of(model.facts, type_graph(model.graph, shapes))


def as_tensor(image: npt.NDArray[Any], padding: Padding = _NO_PADDING) -> F32:
    """(H, W, 3), 8 bits or float, as (1, 3, H, W) in 0..1; padded by repeating the edge, as the native runtime pads."""
    height, width = image.shape[:2]
    rows, columns = padding.size(height, width)
    padded = np.pad(image, ((0, rows - height), (0, columns - width), (0, 0)), mode="edge")
    values = padded.astype(np.float32) / np.float32(255 if image.dtype == np.uint8 else 1)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])
