"""OpenVINO on the CPU: compiled for latency, in fp32 and bf16."""

from __future__ import annotations

from typing import Any, cast

from sparsesr.extras import package
from sparsesr.interchange.onnx_model import to_onnx
from sparsesr.measure.peers.peer import F32, Peer, Task

PRECISIONS = ("fp32", "bf16")
_HINTS = {"fp32": "f32", "bf16": "bf16"}


def open_peers(task: Task) -> list[Peer]:
    """Open in both precisions; bf16 is a hint that OpenVINO follows if the processor supports it."""
    serialized = to_onnx(task.model, task.size).SerializeToString()
    return [open_onnx(serialized, task.image, task.threads, precision) for precision in PRECISIONS]


def open_onnx(serialized: bytes, image: F32, threads: int, precision: str) -> Peer:
    """Open an ONNX model with one input, the image's shape; ``precision`` is one of ``PRECISIONS``."""
    core: Any = package("openvino").Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
    }
    network: Any = core.read_model(serialized, b"")
    request: Any = core.compile_model(network, "CPU", settings).create_infer_request()

    def run() -> F32:
        return cast("F32", request.infer([image])[0])

    version = package("openvino").__version__.partition("-")[0]
    mode = f"openvino {version}, latency hint, precision hint {_HINTS[precision]}"
    return Peer(f"openvino {precision}", precision, mode, run)
