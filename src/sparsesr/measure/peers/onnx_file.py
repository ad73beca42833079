"""Networks in ONNX files, such as others publish: one input (1, 3, H, W), RGB in 0..1, one output, that much larger.

Runtimes are opened for one size at a time, which is what they optimise best for.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from sparsesr.errors import InputError
from sparsesr.measure.method import InputImage, Upscaled, without_network
from sparsesr.measure.peers import package
from sparsesr.measure.peers.peer import F32, Peer
from sparsesr.measure.peers.runtimes import PeerRuntime, as_tensor


@dataclass(frozen=True)
class OnnxFile:
    """The bytes of an ONNX file, and how many times larger its output is."""

    name: str
    serialized: bytes
    scale: int

    @classmethod
    def read(cls, path: Path, scale: int) -> OnnxFile:
        """InputError if it is no ONNX model of one image."""
        serialized = path.read_bytes()
        try:
            graph = package("onnx").load_model_from_string(serialized).graph
        except Exception as error:  # of protobuf, which has many
            raise InputError(f"{path}: is no ONNX model: {' '.join(str(error).split())}") from None
        inputs = _inputs(graph)
        if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
            raise InputError(f"{path}: must have one input of the shape (1, 3, H, W)")
        return cls(path.stem, serialized, scale)

    def at_size(self, height: int, width: int) -> bytes:
        """The model for one input size; what it said of other shapes is left out, so that runtimes infer it anew."""
        model = package("onnx").load_model_from_string(self.serialized)
        for dimension, size in zip(
            _inputs(model.graph)[0].type.tensor_type.shape.dim, (1, 3, height, width), strict=True
        ):
            dimension.Clear()
            dimension.dim_value = size
        del model.graph.value_info[:]
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
        return model.SerializeToString()

    def open_peers(
        self, runtime: PeerRuntime, image: F32, threads: int, precisions: Sequence[str]
    ) -> list[Peer]:
        """A runtime that reads ONNX, ready to upscale an image (1, 3, H, W), in each of these precisions."""
        serialized, module = self.at_size(*image.shape[2:]), importlib.import_module(runtime.module)
        return [module.open_onnx(serialized, image, threads, precision) for precision in precisions]


def onnx_precisions(runtime: PeerRuntime) -> tuple[str, ...]:
    """Those in which a runtime can run ONNX files; none if it does not read them."""
    return getattr(importlib.import_module(runtime.module), "PRECISIONS", ())


def _inputs(graph: Any) -> list[Any]:
    """Inputs that are no weights; files of old list both."""
    weights = {weight.name for weight in graph.initializer}
    return [given for given in graph.input if given.name not in weights]


class OnnxMethod:
    """An ONNX file in a runtime, to be measured; multiply-adds are not counted."""

    precision_reason = "it was asked for"

    def __init__(self, file: OnnxFile, runtime: PeerRuntime, precision: str, threads: int) -> None:
        self.model = without_network(file.name, file.scale)
        self.precision = precision
        self._file, self._runtime, self._threads = file, runtime, threads

    def upscale(self, image: InputImage) -> Upscaled:
        """Upscale (H, W, 3) to 8 bits; opening the runtime for this size is no part of the time."""
        image_13HW = as_tensor(image)
        (peer,) = self._file.open_peers(self._runtime, image_13HW, self._threads, [self.precision])
        started = perf_counter()
        values = peer.run()
        seconds = perf_counter() - started
        expected = tuple(side * self._file.scale for side in image.shape[:2])
        if values.shape != (1, 3, *expected):
            raise InputError(
                f"{self._file.name}: gives {values.shape} for an image of {image.shape[1]}x{image.shape[0]}, not"
                f" x{self._file.scale}"
            )
        rounded = np.floor(np.clip(values[0].transpose(1, 2, 0), 0, 1) * 255 + 0.5).astype(np.uint8)
        return Upscaled(rounded, {}, 1.0, 0, seconds)
