"""ONNX Runtime on the processor: all optimisations, fp32 (it has no bf16 convolution on processors)."""

from __future__ import annotations

from typing import Any, cast

from sparsesr.measure.peers import package
from sparsesr.measure.peers.onnx_graph import INPUT, to_onnx
from sparsesr.measure.peers.peer import F32, Peer, Task


def open_peers(task: Task) -> list[Peer]:
    """In fp32."""
    onnxruntime = package("onnxruntime")
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    model = to_onnx(task.model, *task.image.shape[2:])
    session: Any = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run() -> F32:
        return cast("F32", session.run(None, {INPUT: task.image})[0])

    mode = f"onnxruntime {onnxruntime.__version__}, all graph optimisations"
    return [Peer("onnxruntime fp32", "fp32", mode, run)]
