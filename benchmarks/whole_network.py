"""Times whole networks: sparse, the same runtime dense, and torch fp32 dense, interleaved in one run.

    python benchmarks/whole_network.py smsr_x2_official photo.png [--threads 1 2] [--torch CHECKPOINT] [--json]

Medians over interleaved repeats; the share of peak is of the processor's multiply-add peak, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sparsesr import _native
from sparsesr.image.decode import decode
from sparsesr.modelfile.catalogue import load
from sparsesr.processor import processor_name
from sparsesr.runtime.session import Session


def main() -> None:
    chosen = _arguments()
    rgb = decode(chosen.photo).rgb
    rows = [_measure(chosen, rgb, threads) for threads in chosen.threads]
    result = {
        "processor": f"{processor_name()}, {'/'.join(_native.cpu_features())}",
        "model": chosen.model,
        "input": f"{rgb.shape[1]}x{rgb.shape[0]}",
        "rows": rows,
    }
    print(json.dumps(result, indent=1) if chosen.json else "\n".join(_line(row) for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--torch", type=Path, help="checkpoint of the same network, to run in torch fp32")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _measure(chosen: argparse.Namespace, rgb: np.ndarray, threads: int) -> dict[str, Any]:
    session = Session(load(chosen.model), threads=threads)
    runs: dict[str, Callable[[], object]] = {
        "sparse_ms": lambda: session.run(rgb),
        "dense_ms": lambda: session.run(rgb, dense=True),
    }
    if chosen.torch:
        runs["torch_dense_ms"] = _torch_run(chosen.torch, rgb, threads)
    stats = session.run(rgb).stats
    dense = session.run(rgb, dense=True).stats  # without the mask heads, so a little less work
    row: dict[str, Any] = dict(_interleaved(runs, chosen.repeats))
    peak = _native.multiply_add_peak("f32", threads, 200)
    row |= {
        "threads": threads,
        "density": stats.density,
        "macs_fraction": stats.macs / dense.macs,
        "peak_gflops": peak,
        "sparse_share_of_peak": 2 * stats.macs / row["sparse_ms"] / 1e6 / peak,
        "dense_share_of_peak": 2 * dense.macs / row["dense_ms"] / 1e6 / peak,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return row


def _torch_run(checkpoint: Path, rgb: np.ndarray, threads: int) -> Callable[[], object]:
    """The network with every mask on, as plain convolutions: what a dense framework can do best."""
    import torch

    from sparsesr.lab.nn.smsr import SMSR

    torch.set_num_threads(threads)
    network = SMSR().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    for module in network.sparse_modules():
        module.forward = _dense_forward(module)  # type: ignore[method-assign]
    image = (
        torch.from_numpy(rgb)
        .permute(2, 0, 1)[None]
        .float()
        .div(255)
        .contiguous(memory_format=torch.channels_last)
    )

    def run() -> object:
        with torch.inference_mode():
            return network(image)

    return run


def _dense_forward(module: Any) -> Callable[[Any], Any]:
    import torch

    def forward(feat: Any) -> Any:
        module.spa_mask(feat)
        outputs = []
        inner = feat
        for conv in module.body.body:
            inner = torch.relu(conv(inner))
            outputs.append(inner)
        return module.ca(module.body.collect(torch.cat(outputs, dim=1))) + feat

    return forward


def _interleaved(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if repeat:  # the first round warms up
                times[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


def _line(row: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
    )


if __name__ == "__main__":
    main()
