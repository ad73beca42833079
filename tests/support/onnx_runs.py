"""ONNX files in onnxruntime, on one thread; a module that imports this is skipped where it is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def opened(file: bytes | str) -> Any:
    """A session of a file, given as a path or as its bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run_onnx(session: Any, image: np.ndarray) -> np.ndarray:
    """(H, W, 3) in 0..1 -> the upscaled image of the same layout."""
    (result,) = session.run(["output"], {"input": image.transpose(2, 0, 1)[None].astype(np.float32)})
    return result[0].transpose(1, 2, 0)
