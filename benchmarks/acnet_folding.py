"""Gain from folding ACNet's branches: multiply-adds and time, in the runtime and in torch, interleaved in one run.

    python benchmarks/acnet_folding.py [--scales 2 3 4] [--size 128] [--threads 1] [--repeats 5]

The runtime has no 1x3 and 3x1 kernels: unfolded, it computes them as 3x3 with zeros, 27 taps where torch has 15 and
the folded network 9. Weights are random; time does not depend on them.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch

from sparsesr import _native
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.graph_module import graph_module
from sparsesr.lab.export.torch_run import run_torch
from sparsesr.lab.nn.registry import create
from sparsesr.measure.latency import Contender, session_contender, time_in_turns
from sparsesr.processor import processor_name
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.session import Session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--size", type=int, default=128, help="side of the LR image")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print(
        f"{processor_name()}, {'/'.join(_native.cpu_features())}, {chosen.threads} threads, {chosen.size} px"
    )
    for scale in chosen.scales:
        print(json.dumps(_measure(scale, chosen.size, chosen.threads, chosen.repeats)))


def _measure(scale: int, size: int, threads: int, repeats: int) -> dict[str, float]:
    """Median seconds of each network, and the fractions of time and multiply-adds that remain after folding."""
    torch.manual_seed(0)
    module = create(f"acnet_x{scale}").eval()
    folded, apart = (export(module, "acnet", check=False, fold=fold) for fold in (True, False))
    image = np.random.default_rng(0).random((size, size, 3), np.float32)
    sessions = {"runtime_folded": Session(folded, threads), "runtime_apart": Session(apart, threads)}
    folded_in_torch = graph_module(folded)
    contenders = {
        **{name: session_contender(session, image) for name, session in sessions.items()},
        "torch_folded": Contender(lambda: run_torch(folded_in_torch, image, scale, 1), threads),
        "torch_apart": Contender(lambda: run_torch(module, image, scale, 1), threads),
    }
    timing = time_in_turns(contenders, repeats)
    median = {name: timing.ms(name) / 1000 for name in contenders}
    macs = count_macs(folded, size, size).macs
    # Of the 27 taps counted for the runtime's unfolded network, 15 are not padding.
    real = (count_macs(apart, size, size).macs - macs) * 6 / 18 + macs
    return {
        "scale": scale,
        **{f"{name}_s": round(value, 4) for name, value in median.items()},
        "folded_gmacs_per_s": round(macs / median["runtime_folded"] / 1e9, 1),
        "macs_left": round(macs / real, 4),
        "time_left_runtime": round(median["runtime_folded"] / median["runtime_apart"], 4),
        "time_left_torch": round(median["torch_folded"] / median["torch_apart"], 4),
        "runtime_to_torch": round(median["runtime_folded"] / median["torch_folded"], 4),
    }


if __name__ == "__main__":
    main()
