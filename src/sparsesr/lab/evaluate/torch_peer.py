"""PyTorch as a peer of ``bench``: eager, channels last, inference mode, fp32 and, where it is fast, bf16."""

from __future__ import annotations

import torch

from sparsesr.lab.export.graph_module import graph_module
from sparsesr.measure.peers.peer import F32, Peer, Task

_SLOW_IN_BF16 = ("DEFAULT", "AVX2")
"""Instruction sets with which torch multiplies bf16 one by one: a run took ten times as long as in fp32."""


def open_peers(task: Task) -> list[Peer]:
    """Peers in each precision; sets the thread count of the process."""
    torch.set_num_threads(task.threads)
    fp32 = _open(task, "fp32", torch.float32)
    if torch.backends.cpu.get_cpu_capability() in _SLOW_IN_BF16:
        return [fp32]
    return [fp32, _open(task, "bf16", torch.bfloat16)]


def _open(task: Task, precision: str, dtype: torch.dtype) -> Peer:
    module = graph_module(task.model).to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image_13HW = torch.from_numpy(task.image).to(dtype).contiguous(memory_format=torch.channels_last)

    def run() -> F32:
        with torch.inference_mode():
            return module(image_13HW).float().numpy()

    mode = f"torch {torch.__version__}, eager, channels last, inference mode"
    return Peer(f"torch {precision}", precision, mode, run)
