"""ONNX Runtime on the CPU: all optimisations, fp32 and int8 (it has no bf16 convolution for CPUs)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sparsesr import _native
from sparsesr.extras import package
from sparsesr.interchange.onnx_model import to_onnx
from sparsesr.measure.peers.peer import F32, Peer, Task

PRECISIONS = ("fp32",)


def open_peers(task: Task) -> list[Peer]:
    """Open in fp32 and int8."""
    serialized = to_onnx(task.model, task.size).SerializeToString()
    return [open_onnx(serialized, task.image, task.threads, precision) for precision in (*PRECISIONS, "int8")]


def open_onnx(serialized: bytes, image: F32, threads: int, precision: str) -> Peer:
    """Open an ONNX model with one input, the image's shape.

    Args:
        serialized: the model.
        image: (1, 3, H, W). In int8, activations are calibrated on this image alone, which can only help them.
        threads: threads of a run.
        precision: one of ``PRECISIONS``, or ``int8``.
    """
    onnxruntime = package("onnxruntime")
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry(
        "session.force_spinning_stop", "1"
    )  # or its threads slow whoever is next
    mode = f"onnxruntime {onnxruntime.__version__}, all graph optimisations"
    if precision == "int8":
        serialized = _quantised(serialized, image)
        mode += ", static quantisation per channel, calibrated on the image itself"
    session: Any = onnxruntime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])
    name: str = session.get_inputs()[0].name

    def run() -> F32:
        return cast("F32", session.run(None, {name: image})[0])

    return Peer(f"onnxruntime {precision}", precision, mode, run)


def _quantised(serialized: bytes, image: F32) -> bytes:
    quantization: Any = package("onnxruntime.quantization")
    name = package("onnx").load_model_from_string(serialized).graph.input[0].name
    inputs = iter([{name: image}])

    class OneImage(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, F32] | None:
            return next(inputs, None)

    with tempfile.TemporaryDirectory() as folder, _without_warnings():
        source, target = Path(folder, "model.onnx"), Path(folder, "quantised.onnx")
        source.write_bytes(serialized)
        quantization.quantize_static(
            source,
            target,
            OneImage(),
            per_channel=True,
            reduce_range=not _has_vnni(),
            op_types_to_quantize=["Conv", "ConvTranspose"],
        )
        return target.read_bytes()


def _has_vnni() -> bool:
    """Without it, the runtime adds products in 16 bits, in which those of weights of 8 bits do not fit."""
    return any(feature.endswith("vnni") for feature in _native.processor_features())


@contextmanager
def _without_warnings() -> Generator[None, None, None]:
    """It warns that shapes may be missing; our files have them all."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
