"""Speed of convolutions with balanced weights beside the dense kernel, and of matrix-vector products beside libraries.

    OPENBLAS_NUM_THREADS=1 python benchmarks/balanced.py [--cpu avx2] [--repeats N] [--write NAME]

One thread. Every round runs all contenders once, in turn, so that changes of the clock affect all; ratios are medians
over the rounds. Times are those of the thread on the processor: waiting for it on a shared machine is no property of a
kernel. The share of the peak belongs to the fastest run and the highest peak of all rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import record
import torch

from sparsesr import _native as native

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "native"))
from balanced_weights import balanced_weight
from conv_cases import BuiltConv, ConvCase, in_large_memory
from native_cases import make_window

BAND, SMALL, LARGE = (16, 48), (48, 48), (90, 160)
"""Rows and columns of maps: bands of the runtime stay in L2, as do small maps in 2 MiB; large ones come from L3."""
NUMBERS = {"f32": "fp32", "bf16": "bf16", "u8": "int8"}
DENSE = 0
KEPT = (DENSE, 8, 6, 4, 2)
BLOCK = 16
MATRICES = (1024, 4096)
PEAK_MS = 5
CALLS = 10
"""Products in a row of one contender with one matrix, as in a recurrent network."""


@dataclass
class Row:
    """One contender of a comparison."""

    what: str
    contender: str
    ms: float
    speedup: float
    """Over the dense kernel; of matrices, over the fastest library. Median over the rounds."""
    share_of_peak: float | None = None
    """Of the multiply-adds that are computed."""


@dataclass(frozen=True)
class Times:
    """Times of each contender in every round."""

    rounds_s: dict[str, list[float]]

    def median_ms(self, name: str) -> float:
        """Median over the rounds."""
        return statistics.median(self.rounds_s[name]) * 1e3

    def speedup(self, name: str, over: str) -> float:
        """Median ratio of the times of two contenders in the same round."""
        pairs = zip(self.rounds_s[over], self.rounds_s[name], strict=True)
        return statistics.median(base / own for base, own in pairs)


def in_turn(contenders: dict[str, Callable[[], object]], repeats: int) -> Times:
    """Run every contender in every round, twice: the first run brings its maps and weights into the caches again."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            run()
            start = time.thread_time()
            run()
            times[name].append(time.thread_time() - start)
    return Times(times)


def convolution_rows(case: ConvCase, size: tuple[int, int], dtype: str, repeats: int) -> list[Row]:
    """The layer with dense weights, and with each balanced pattern."""
    built = {_pattern(keep): BuiltConv(case.with_keep(keep), dtype, *size, in_large_memory) for keep in KEPT}
    peaks: list[float] = []
    contenders: dict[str, Callable[[], object]] = {name: lambda b=b: b.run(1) for name, b in built.items()}
    contenders["peak"] = lambda: peaks.append(native.multiply_add_peak(dtype, threads=1, ms=PEAK_MS))
    times = in_turn(contenders, repeats)
    return [
        Row(
            f"{NUMBERS[dtype]} {case.layer} {case.mask} {case.density:g}, {size[0]}x{size[1]}",
            name,
            times.median_ms(name),
            times.speedup(name, _pattern(DENSE)),
            conv.flops / min(times.rounds_s[name]) * 1e-9 / max(peaks),
        )
        for name, conv in built.items()
    ]


def _pattern(keep: int) -> str:
    return f"{keep}/{BLOCK}" if keep else "dense"


def matrix_rows(size: int, repeats: int) -> list[Row]:
    """A square matrix times a vector: a 1x1 convolution of one pixel, and the libraries with a dense matrix."""
    rng = np.random.default_rng(1)
    vector = rng.standard_normal(size).astype(np.float32)
    matrix = rng.standard_normal((size, size)).astype(np.float32)
    weight, x = torch.from_numpy(matrix), torch.from_numpy(vector)
    packed_dense = torch.nn.Linear(size, size, bias=False)
    packed_dense.weight = torch.nn.Parameter(weight, requires_grad=False)
    libraries: dict[str, Callable[[], object]] = {
        "numpy": lambda: matrix @ vector,
        "torch mv": lambda: torch.mv(weight, x),
        "torch linear": lambda: packed_dense(x),
    }
    ours = {_pattern(keep): _one_pixel(rng, size, keep, vector) for keep in KEPT}
    times = in_turn({name: _repeated(run) for name, run in {**libraries, **ours}.items()}, repeats)
    best = min(libraries, key=times.median_ms)
    what = f"matrix {size}x{size}"
    return [
        Row(
            what,
            name,
            times.median_ms(name) / CALLS,
            times.speedup(name, best),
        )
        for name in times.rounds_s
    ]


def _repeated(run: Callable[[], object]) -> Callable[[], None]:
    def runs() -> None:
        for _ in range(CALLS):
            run()

    return runs


def _one_pixel(rng: np.random.Generator, size: int, keep: int, vector: np.ndarray) -> Callable[[], object]:
    weight = balanced_weight(rng, size, size, 1, keep or BLOCK)
    packed = native.PackedConv(weight, None, [size])
    x = make_window(vector.reshape(1, 1, size))
    out = np.zeros((1, 3, size), np.float32)
    native.conv_rows(packed, [(x, -1)], out, 0, 0, 1)
    expected = weight[:, :, 0, 0].astype(np.float64) @ vector
    np.testing.assert_allclose(out[0, 1], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    return lambda: native.conv_rows(packed, [(x, -1)], out, 0, 0, 1)


def _line(row: Row) -> str:
    share = "" if row.share_of_peak is None else f" {row.share_of_peak:6.1%} of peak"
    return f"{row.what:<38} {row.contender:<12} {row.ms:8.3f} ms {row.speedup:5.2f}x{share}"


def main() -> None:
    """Measure everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cpu", choices=native.cpu_features())
    parser.add_argument("--repeats", type=int, default=101)
    parser.add_argument("--write", help="name of the result to write")
    arguments = parser.parse_args()
    native.set_cpu(arguments.cpu)
    torch.set_num_threads(1)
    in_all_types = [
        *[(ConvCase((64,), 64), size) for size in (BAND, SMALL, LARGE)],
        *[(ConvCase((64,), 64, mask="edges", density=0.4), size) for size in (SMALL, LARGE)],
    ]
    in_fp32 = [(ConvCase((64,), 64, 1), SMALL), (ConvCase((64,) * 4, 64, 1, "edges", 0.4), SMALL)]
    layers = [(c, size, "f32") for c, size in in_all_types + in_fp32]
    layers += [(c, size, dtype) for dtype in ("bf16", "u8") for c, size in in_all_types]
    rows: list[Row] = []
    with torch.inference_mode():
        for measured in [
            lambda c=c, size=size, dtype=dtype: convolution_rows(c, size, dtype, arguments.repeats)
            for c, size, dtype in layers
        ] + [lambda n=n: matrix_rows(n, arguments.repeats) for n in MATRICES]:
            for row in measured():
                rows.append(row)
                print(_line(row), flush=True)
    if arguments.write:
        table = native.kernel_table()
        facts = {
            **record.circumstances("python benchmarks/balanced.py"),
            "threads": 1,
            "kernels": {name: kernel for name, kernel in table.items() if name.startswith("conv_balanced")},
            "dense_kernels": {name: table[name] for name in ("conv", "conv_bf16", "conv_u8")},
            "torch": torch.__version__,
            "numpy": np.__version__,
        }
        print(record.write(arguments.write, {**facts, "rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
