"""OpenVINO on the CPU: compiled for latency, in fp32, bf16, and, where NNCF is installed, int8."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any, cast

from sparsesr.extras import is_installed, package
from sparsesr.interchange.onnx_model import to_onnx
from sparsesr.measure.peers.peer import F32, Peer, Task

PRECISIONS = ("fp32", "bf16")
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
"""Precision of what is not quantised; in int8 the fastest, too."""


def open_peers(task: Task) -> list[Peer]:
    """Open in all precisions; bf16 is a hint that OpenVINO follows if the processor supports it."""
    serialized = to_onnx(task.model, task.size).SerializeToString()
    precisions = (*PRECISIONS, "int8") if is_installed("nncf") else PRECISIONS
    return [open_onnx(serialized, task.image, task.threads, precision) for precision in precisions]


def open_onnx(serialized: bytes, image: F32, threads: int, precision: str) -> Peer:
    """Open an ONNX model with one input, the image's shape.

    Args:
        serialized: the model.
        image: (1, 3, H, W). In int8, activations are calibrated on this image alone, which can only help them.
        threads: threads of a run.
        precision: one of ``PRECISIONS``, or ``int8``, which needs the package nncf.
    """
    core: Any = package("openvino").Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
    }
    network: Any = core.read_model(serialized, b"")
    if precision == "int8":
        network = _quantised(network, image)
    request: Any = core.compile_model(network, "CPU", settings).create_infer_request()

    def run() -> F32:
        return cast("F32", request.infer([image])[0])

    version = package("openvino").__version__.partition("-")[0]
    mode = f"openvino {version}, latency hint, precision hint {_HINTS[precision]}"
    if precision == "int8":
        mode += f", quantised by nncf {package('nncf').__version__} on the image itself"
    return Peer(f"openvino {precision}", precision, mode, run)


def _quantised(network: Any, image: F32) -> Any:
    nncf: Any = package("nncf")
    with redirect_stdout(io.StringIO()):  # its progress bars would end up in results
        return nncf.quantize(network, nncf.Dataset([image]), subset_size=1)
