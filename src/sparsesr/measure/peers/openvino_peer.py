"""OpenVINO on the processor: compiled for latency, fp32 and bf16."""

from __future__ import annotations

from typing import Any, cast

from sparsesr.measure.peers import package
from sparsesr.measure.peers.onnx_graph import to_onnx
from sparsesr.measure.peers.peer import F32, Peer, Task


def open_peers(task: Task) -> list[Peer]:
    """In both precisions; bf16 is a hint that the runtime follows where the processor has it."""
    core: Any = package("openvino").Core()
    serialized = to_onnx(task.model, *task.image.shape[2:]).SerializeToString()
    network: Any = core.read_model(serialized, b"")
    return [_open(core, network, task, *hint) for hint in (("fp32", "f32"), ("bf16", "bf16"))]


def _open(core: Any, network: Any, task: Task, precision: str, hint: str) -> Peer:
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": task.threads,
    }
    request: Any = core.compile_model(network, "CPU", settings).create_infer_request()

    def run() -> F32:
        return cast("F32", request.infer([task.image])[0])

    version = package("openvino").__version__.partition("-")[0]
    mode = f"openvino {version}, latency hint, precision hint {hint}"
    return Peer(f"openvino {precision}", precision, mode, run)
