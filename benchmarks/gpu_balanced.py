"""Balanced Triton kernels on a GPU, against the best dense library and cuSPARSE; needs CUDA and triton.

    python benchmarks/gpu_balanced.py [--rounds 50] [--write NAME]

Results are compared with torch first. Contenders take turns; medians over the rounds, by CUDA events, warm caches.
Dense is cuBLAS or cuDNN in fp32 without TF32, as the balanced kernels compute in fp32, and with TF32 for reference.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

import record
import torch
from torch.nn import functional

from sparsesr.lab.gpu.balanced_weight import pack_for_gpu
from sparsesr.lab.gpu.convolution import convolve
from sparsesr.lab.gpu.matrix_vector import multiply
from sparsesr.lab.sparsity.balance import Balance
from sparsesr.lab.sparsity.balanced import balanced_mask

_MATRICES = ((1024, 1024), (4096, 4096), (8192, 16384))
_BATCHES = (1, 8)
_MAPS = ((64, 64, 180, 320), (64, 64, 360, 640))
"""Outputs, inputs, rows and columns of 3x3 convolutions."""
_BALANCES = (Balance(16, 32), Balance(8, 32), Balance(4, 32))
_WARM_UP = 10

Runs = dict[str, Callable[[], torch.Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--write", help="name of the result to write")
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("error: torch sees no CUDA GPU; the kernels are tested without one by tests/lab/test_gpu.py")
    torch.manual_seed(1)
    rows = [row for balance in _BALANCES for row in _rows(balance, chosen.rounds)]
    written = {
        **record.circumstances("python benchmarks/gpu_balanced.py"),
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "rounds": chosen.rounds,
        "rows": rows,
    }
    if chosen.write:
        print(record.write(chosen.write, written))


def _rows(balance: Balance, rounds: int) -> list[dict[str, Any]]:
    products = [
        (f"{outputs}x{inputs}, {batch} vectors", _products(outputs, inputs, batch, balance))
        for outputs, inputs in _MATRICES
        for batch in _BATCHES
    ]
    convolutions = [
        (f"3x3 {shape[1]}->{shape[0]}, {shape[2]}x{shape[3]}", _convolutions(*shape, balance))
        for shape in _MAPS
    ]
    rows: list[dict[str, Any]] = []
    for name, runs in products + convolutions:
        microseconds = _timed(runs, rounds)
        rows.append({"case": name, "balance": str(balance), "us": microseconds})
        print(name, balance, "  ".join(f"{run} {us:.1f} us" for run, us in microseconds.items()))
    return rows


def _products(outputs: int, inputs: int, batch: int, balance: Balance) -> Runs:
    matrix = torch.randn(outputs, inputs, 1, 1, device="cuda")
    matrix = (matrix * balanced_mask(matrix, balance))[..., 0, 0]
    x_VI, packed, compressed = (
        torch.randn(batch, inputs, device="cuda"),
        pack_for_gpu(matrix, balance),
        matrix.to_sparse_csr(),
    )
    transposed = x_VI.T.contiguous()
    _check(multiply(x_VI, packed), x_VI.double() @ matrix.double().T)
    return {
        "balanced": lambda: multiply(x_VI, packed),
        "dense": lambda: x_VI @ matrix.T,
        "dense_tf32": _with_tf32(lambda: x_VI @ matrix.T),
        "cusparse": lambda: compressed @ transposed,
    }


def _convolutions(outputs: int, inputs: int, height: int, width: int, balance: Balance) -> Runs:
    weight = torch.randn(outputs, inputs, 3, 3, device="cuda")
    weight = (weight * balanced_mask(weight, balance)).contiguous(memory_format=torch.channels_last)
    feat = torch.randn(1, inputs, height, width, device="cuda").contiguous(memory_format=torch.channels_last)
    packed = pack_for_gpu(weight, balance)
    _check(convolve(feat, packed), functional.conv2d(feat.double(), weight.double(), padding=1))
    return {
        "balanced": lambda: convolve(feat, packed),
        "dense": lambda: functional.conv2d(feat, weight, padding=1),
        "dense_tf32": _with_tf32(lambda: functional.conv2d(feat, weight, padding=1)),
    }


def _check(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))


def _with_tf32(run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    def running() -> torch.Tensor:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        try:
            return run()
        finally:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    return running


def _timed(runs: Runs, rounds: int) -> dict[str, float]:
    """Median microseconds of each run, in turns."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    for _ in range(_WARM_UP):
        for run in runs.values():
            run()
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            run()
            end.record()
            end.synchronize()
            found[name].append(1000 * start.elapsed_time(end))
    return {name: median(times) for name, times in found.items()}


if __name__ == "__main__":
    main()
