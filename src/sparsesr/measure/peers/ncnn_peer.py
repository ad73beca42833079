"""ncnn on the CPU, in fp32 and with bf16 storage."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from sparsesr.extras import package
from sparsesr.measure.peers.ncnn_graph import INPUT, OUTPUT, write_ncnn
from sparsesr.measure.peers.peer import F32, Peer, Task


def open_peers(task: Task) -> list[Peer]:
    """Open in fp32 and with bf16 storage, with which ncnn computes in bf16 if the processor supports it."""
    return [_open(task, "fp32", False), _open(task, "bf16", True)]


def _open(task: Task, precision: str, stores_bf16: bool) -> Peer:
    ncnn = package("ncnn")
    net: Any = ncnn.Net()
    net.opt.num_threads = task.threads
    net.opt.use_bf16_storage = stores_bf16
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    with tempfile.TemporaryDirectory() as folder:
        write_ncnn(task.model, Path(folder))
        net.load_param(str(Path(folder) / "model.param"))
        net.load_model(str(Path(folder) / "model.bin"))
    image: Any = ncnn.Mat(
        np.ascontiguousarray(task.image[0])
    ).clone()  # a Mat does not keep its source array alive

    def run() -> F32:
        extractor: Any = net.create_extractor()
        extractor.input(INPUT, image)
        return np.array(extractor.extract(OUTPUT)[1])[None]

    mode = f"ncnn {ncnn.__version__}, {'bf16' if stores_bf16 else 'fp32'} storage, packed layout, Winograd and sgemm"
    return Peer(f"ncnn {precision}", precision, mode, run)
