"""ESRT x2 with random weights: this runtime, torch and onnxruntime (if installed), interleaved, on one image.

    .venv/bin/python benchmarks/esrt.py --size 128 128 --threads 1 2 --write esrt_x2_128x128

The attention's share grows with the image, so state the size. onnxruntime runs the graph that torch.onnx exports for
this size; it needs onnx, onnxscript and onnxruntime. Figures are medians over interleaved repeats.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import circumstances, write

from sparsesr import _native
from sparsesr.lab.export.exporter import export
from sparsesr.lab.nn.esrt import ESRT
from sparsesr.measure.latency import Contender, time_in_turns
from sparsesr.runtime.session import Session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(128, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", metavar="NAME", help="write results/NAME.json")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    module = ESRT().eval()
    image = np.random.default_rng(0).random((*chosen.size, 3), dtype=np.float32)
    result = {
        **circumstances("benchmarks/esrt.py " + " ".join(sys.argv[1:])),
        "torch": torch.__version__,
        "size": f"{chosen.size[1]}x{chosen.size[0]}",
        "rows": [measure(module, image, threads, chosen.repeats) for threads in chosen.threads],
    }
    print(json.dumps(result, indent=1))
    if chosen.write:
        write(chosen.write, result)


def measure(module: ESRT, image: np.ndarray, threads: int, repeats: int) -> dict[str, Any]:
    """Medians in ms, and deviations of the results from torch's."""
    torch.set_num_threads(threads)
    session = Session(export(module, "esrt_x2", check=False), threads)
    image_13HW = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
    runs: dict[str, Callable[[], np.ndarray]] = {
        "native": lambda: session.run(image).image,
        "torch": lambda: run_torch(module, image_13HW),
    }
    onnx = onnx_run(module, image_13HW, threads)
    if onnx is not None:
        runs["onnxruntime"] = onnx
    expected = runs["torch"]()
    row: dict[str, Any] = {"threads": threads}
    row |= {f"{name}_max_abs_difference": float(np.abs(run() - expected).max()) for name, run in runs.items()}
    timing = time_in_turns({name: Contender(run, threads) for name, run in runs.items()}, repeats)
    row |= {f"{name}_ms": round(timing.ms(name), 1) for name in runs}
    stats = session.run(image).stats
    row["gmacs"] = round(stats.macs / 1e9, 2)
    row["attention_gmacs"] = round(sum(x.macs for x in stats.layers if x.op == "segment_attention") / 1e9, 2)
    row["native_gmac_per_s"] = round(stats.macs / 1e6 / row["native_ms"], 1)
    row["peak_gmac_per_s"] = round(_native.multiply_add_peak("f32", threads, 200) / 2, 1)
    return row


def run_torch(module: ESRT, image_13HW: torch.Tensor) -> np.ndarray:
    """Return the result, (2 H, 2 W, 3)."""
    with torch.inference_mode():
        return module(image_13HW)[0].permute(1, 2, 0).numpy()


def onnx_run(module: ESRT, image_13HW: torch.Tensor, threads: int) -> Callable[[], np.ndarray] | None:
    """Return a run of the same network in onnxruntime; None if it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "esrt.onnx"
        torch.onnx.export(module, (image_13HW,), str(path), dynamo=True, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: image_13HW.numpy()}
    return lambda: session.run(None, inputs)[0][0].transpose(1, 2, 0)


if __name__ == "__main__":
    main()
