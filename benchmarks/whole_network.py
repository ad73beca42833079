"""Times whole networks: sparse, the same runtime dense, and torch fp32 dense, interleaved in one run.

    python benchmarks/whole_network.py smsr_x2_official PHOTO... [--threads 1 2] [--torch CHECKPOINT] [--save]

Medians over interleaved repeats, after a warm-up on a corner of the picture; the share of peak is of the processor's
multiply-add peak, measured in the same run. Both dense forms leave the mask heads out: with every pixel active nobody
reads them. ``upscale`` is the whole command in a process of its own, start, decoding and encoding included.
``--save`` writes benchmarks/results/MODEL_WIDTHxHEIGHT.json, replacing rows of the same number of threads.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from sparsesr import _native
from sparsesr.image.decode import decode
from sparsesr.modelfile.catalogue import load
from sparsesr.processor import processor_name
from sparsesr.runtime.session import Session

RESULTS = Path(__file__).parent / "results"
_WARM_UP_PX = 96


def main() -> None:
    chosen = _arguments()
    for photo in chosen.photos:
        rgb = decode(photo).rgb
        rows = [_measure(chosen, photo, rgb, threads) for threads in chosen.threads]
        result = {
            "processor": f"{processor_name()}, {'/'.join(_native.cpu_features())}",
            "date": datetime.now(timezone.utc).date().isoformat(),
            "commit": _commit(),
            "model": chosen.model,
            "input": f"{rgb.shape[1]}x{rgb.shape[0]}",
            "dense_forms": "without mask heads",
            "repeats": chosen.repeats,
            "rows": rows,
        }
        print("\n".join(_line(row) for row in rows))
        if chosen.save:
            _save(result)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--torch", type=Path, help="checkpoint of the same network, to run in torch fp32")
    parser.add_argument("--save", action="store_true", help="write to benchmarks/results")
    return parser.parse_args()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    told = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def _save(result: dict[str, Any]) -> None:
    path = RESULTS / f"{result['model']}_{result['input']}.json"
    if path.exists():
        before = json.loads(path.read_text())
        told = {row["threads"] for row in result["rows"]}
        if before.get("commit", "").removesuffix("-dirty") == result["commit"].removesuffix("-dirty"):
            result["rows"] += [row for row in before["rows"] if row["threads"] not in told]
            result["rows"].sort(key=lambda row: row["threads"])
    path.write_text(json.dumps(result, indent=1) + "\n")


def _measure(chosen: argparse.Namespace, photo: Path, rgb: np.ndarray, threads: int) -> dict[str, Any]:
    session = Session(load(chosen.model), threads=threads)
    runs: dict[str, Callable[[np.ndarray], Any]] = {
        "sparse_ms": session.run,
        "dense_ms": lambda picture: session.run(picture, dense=True),
    }
    if chosen.torch:
        runs["torch_dense_ms"] = _torch_run(chosen.torch, threads)
    times, results = _interleaved(runs, rgb, chosen.repeats)
    stats, dense = results["sparse_ms"].stats, results["dense_ms"].stats
    peak = _native.multiply_add_peak("f32", threads, 200)
    return {
        "threads": threads,
        **times,
        "density": stats.density,
        "macs_fraction": stats.macs / dense.macs,
        "peak_gflops": peak,
        "sparse_share_of_peak": 2 * stats.macs / times["sparse_ms"] / 1e6 / peak,
        "dense_share_of_peak": 2 * dense.macs / times["dense_ms"] / 1e6 / peak,
        **_upscale(chosen.model, photo, threads),
    }


def _upscale(model: str, photo: Path, threads: int) -> dict[str, float]:
    """The command as people call it: its wall time, and the peak memory of its process."""
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "out.png")
        command = ["upscale", str(photo), "-n", model, "-j", str(threads), "-o", target, "-q"]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, *command], capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - began
    return {"upscale_s": seconds, "upscale_peak_mb": int(done.stdout.split()[-1]) * 1024 / 1e6}


# Not ru_maxrss: that of a child begins with the parent's. VmHWM is of the program itself, in KiB.
_CHILD = """
import sys
from sparsesr.cli.main import main
status = main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(status)
"""


def _torch_run(checkpoint: Path, threads: int) -> Callable[[np.ndarray], Any]:
    """The network with every mask on, as plain convolutions: what a dense framework can do best."""
    import torch

    from sparsesr.lab.nn.smsr import SMSR

    network = SMSR().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    for module in network.sparse_modules():
        module.forward = _dense_forward(module)  # type: ignore[method-assign]

    def run(rgb: np.ndarray) -> Any:
        torch.set_num_threads(threads)
        values_13HW = torch.from_numpy(rgb).permute(2, 0, 1)[None].float().div(255)
        with torch.inference_mode():
            return network(values_13HW.contiguous(memory_format=torch.channels_last))

    return run


def _dense_forward(module: Any) -> Callable[[Any], Any]:
    import torch

    def forward(feat: Any) -> Any:
        outputs = []
        inner = feat
        for conv in module.body.body:
            inner = torch.relu(conv(inner))
            outputs.append(inner)
        return module.ca(module.body.collect(torch.cat(outputs, dim=1))) + feat

    return forward


def _interleaved(
    runs: dict[str, Callable[[np.ndarray], Any]], rgb: np.ndarray, repeats: int
) -> tuple[dict[str, float], dict[str, Any]]:
    corner = np.ascontiguousarray(rgb[:_WARM_UP_PX, :_WARM_UP_PX])
    for run in runs.values():
        run(corner)
    times: dict[str, list[float]] = {name: [] for name in runs}
    results: dict[str, Any] = {}
    for _ in range(repeats):
        for name, run in runs.items():
            began = time.perf_counter()
            results[name] = run(rgb)
            times[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}, results


def _line(row: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
    )


if __name__ == "__main__":
    main()
