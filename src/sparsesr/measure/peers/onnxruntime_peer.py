"""ONNX Runtime on the CPU: all optimisations, fp32 only (it has no bf16 convolution for CPUs)."""

from __future__ import annotations

from typing import Any, cast

from sparsesr.extras import package
from sparsesr.interchange.onnx_model import to_onnx
from sparsesr.measure.peers.peer import F32, Peer, Task

PRECISIONS = ("fp32",)


def open_peers(task: Task) -> list[Peer]:
    """Open in fp32."""
    serialized = to_onnx(task.model, task.size).SerializeToString()
    return [open_onnx(serialized, task.image, task.threads, precision) for precision in PRECISIONS]


def open_onnx(serialized: bytes, image: F32, threads: int, precision: str) -> Peer:
    """Open an ONNX model with one input, the image's shape; ``precision`` is one of ``PRECISIONS``."""
    onnxruntime = package("onnxruntime")
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session: Any = onnxruntime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])
    name: str = session.get_inputs()[0].name

    def run() -> F32:
        return cast("F32", session.run(None, {name: image})[0])

    mode = f"onnxruntime {onnxruntime.__version__}, all graph optimisations"
    return Peer(f"onnxruntime {precision}", precision, mode, run)
