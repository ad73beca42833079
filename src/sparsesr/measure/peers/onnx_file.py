"""Networks in ONNX files, as published by others: one input (1, 3, H, W), RGB in 0..1, one upscaled output.

Runtimes are opened for one size at a time, for which they optimise best.
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
from sparsesr.extras import package
from sparsesr.image.samples import quantised
from sparsesr.measure.method import InputImage, Upscaled, placeholder_model
from sparsesr.measure.peers.peer import F32, Peer
from sparsesr.measure.peers.runtimes import PeerRuntime, as_tensor


@dataclass(frozen=True)
class OnnxFile:
    """Bytes of an ONNX file, and its scale: output size / input size."""

    name: str
    serialized: bytes
    scale: int

    @classmethod
    def read(cls, path: Path, scale: int) -> OnnxFile:
        """Read a file; InputError if it is not an ONNX model with one image as its input."""
        serialized = path.read_bytes()
        try:
            graph = package("onnx").load_model_from_string(serialized).graph
        except Exception as error:  # protobuf raises many kinds
            raise InputError(f"{path}: is not an ONNX model: {' '.join(str(error).split())}") from None
        inputs = _inputs(graph)
        if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
            raise InputError(f"{path}: must have one input of the shape (1, 3, H, W)")
        return cls(path.stem, serialized, scale)

    def at_size(self, height: int, width: int) -> bytes:
        """Return the model for one input size; other declared shapes are removed, so that runtimes infer them."""
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
        """Open a runtime that reads ONNX for an image (1, 3, H, W), once per precision."""
        serialized, module = self.at_size(*image.shape[2:]), importlib.import_module(runtime.module)
        return [module.open_onnx(serialized, image, threads, precision) for precision in precisions]


def onnx_precisions(runtime: PeerRuntime) -> tuple[str, ...]:
    """Return the precisions in which a runtime runs ONNX files; none if it does not read ONNX."""
    return getattr(importlib.import_module(runtime.module), "PRECISIONS", ())


def _inputs(graph: Any) -> list[Any]:
    """Inputs other than weights; old files list weights as inputs too."""
    weights = {weight.name for weight in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


class OnnxMethod:
    """An ONNX file in a runtime, as a measured method; multiply-adds are not counted."""

    precision_reason = "requested"

    def __init__(self, file: OnnxFile, runtime: PeerRuntime, precision: str, threads: int) -> None:
        self.model = placeholder_model(file.name, file.scale)
        self.precision = precision
        self._file, self._runtime, self._threads = file, runtime, threads

    def upscale(self, image: InputImage) -> Upscaled:
        """Upscale (H, W, 3) to 8 bits; the time excludes opening the runtime for this size."""
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
        rounded = quantised(values[0].transpose(1, 2, 0), np.uint8)
        return Upscaled(rounded, {}, 1.0, 0, seconds)
