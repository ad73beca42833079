"""Masks and balanced weights together: quality, density and time of one network, pruned to several patterns.

    python benchmarks/balanced_masks.py measure dense=smsr_x2 balanced:0.5=b8.safetensors ... --data FOLDER \
        [--set Set5 Set14 Urban100] [--every 10] [--photo PHOTO --rounds 7] [--write NAME]
    python benchmarks/balanced_masks.py plot RESULT.json -o PLOT.svg

Each model is ``PATTERN[:SPARSITY]=MODEL``. Quality is the mean PSNR-Y over a set; ``--every N`` takes every N-th
image of large sets. Time is processor time of one thread for the LR image PHOTO, so that other work on the machine
counts little: dense and balanced models take turns, and the median over the rounds counts. Other patterns have no
kernels of their own, so they are measured for quality only. Models come from ``sparsesr prune`` with ``--set
pruning.pattern=...``, all with the same number of steps.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import record

from sparsesr.image.decode import decode
from sparsesr.image.samples import to_eight_bit
from sparsesr.measure.latency import session_contender, time_in_turns
from sparsesr.measure.native import open_method
from sparsesr.measure.protocol import find_sets
from sparsesr.measure.quality import SetResult, evaluate
from sparsesr.measure.quality_plot import quality_plot
from sparsesr.measure.tables import TableRow
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.session import Session

DENSE, BALANCED = "dense", "balanced"
_LARGE_SET = 20


@dataclass(frozen=True)
class Candidate:
    """A model with its pattern and sparsity."""

    pattern: str
    sparsity: float
    model: str

    @property
    def label(self) -> str:
        return f"{self.pattern} {self.sparsity:g}" if self.sparsity else self.pattern


def candidate(text: str) -> Candidate:
    """Parse ``PATTERN[:SPARSITY]=MODEL``."""
    name, _, model = text.partition("=")
    pattern, _, sparsity = name.partition(":")
    return Candidate(pattern, float(sparsity or 0), model)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    measuring = verbs.add_parser("measure")
    measuring.add_argument("models", type=candidate, nargs="+", metavar="PATTERN[:SPARSITY]=MODEL")
    measuring.add_argument("--data", type=Path, required=True)
    measuring.add_argument("--set", nargs="+", default=["Set5", "Set14", "Urban100"])
    measuring.add_argument("--every", type=int, default=1)
    measuring.add_argument("--photo", type=Path)
    measuring.add_argument("--rounds", type=int, default=7)
    measuring.add_argument("--write", help="name of the result to write")
    measuring.add_argument("--append", action="store_true", help="keep the rows that the result has")
    measuring.set_defaults(run=measure)
    plotting = verbs.add_parser("plot")
    plotting.add_argument("result", type=Path)
    plotting.add_argument("-o", "--output", type=Path, required=True)
    plotting.set_defaults(run=lambda chosen: plot(chosen.result, chosen.output))
    chosen = parser.parse_args()
    chosen.run(chosen)


def measure(chosen: argparse.Namespace) -> None:
    times = timed(chosen) if chosen.photo else {}
    rows: list[dict[str, Any]] = []
    for item in chosen.models:
        for result in quality_of(item, chosen):
            means = {name: result.mean(name) for name in ("psnr_y", "ssim_y", "density", "macs")}
            about = {"pattern": item.pattern, "sparsity": item.sparsity, "set": result.name}
            rows.append({**about, "images": len(result.images), **means, "ms": times.get(item.label)})
            print(
                f"{item.label:<20} {result.name:<9} {means['psnr_y']:.3f} dB, density {means['density']:.3f}"
            )
    written = {
        **record.circumstances(f"python benchmarks/balanced_masks.py measure ... --every {chosen.every}"),
        "threads": 1,
        "precision": "fp32",
        "rounds": chosen.rounds,
        "photo": chosen.photo.name if chosen.photo else None,
        "rows": rows,
    }
    if chosen.write and chosen.append:
        known = json.loads((record.RESULTS / f"{chosen.write}.json").read_text(encoding="utf-8"))
        written = {**known, "rows": known["rows"] + rows}
    if chosen.write:
        print(record.write(chosen.write, written))


def timed(chosen: argparse.Namespace) -> dict[str, float]:
    """Median milliseconds of processor time of dense and balanced models on the photograph, in turns."""
    image = to_eight_bit(decode(chosen.photo).rgb)
    image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    contenders = {
        item.label: session_contender(Session(load(item.model), 1), np.ascontiguousarray(image))
        for item in chosen.models
        if item.pattern in (DENSE, BALANCED)
    }
    timing = time_in_turns(contenders, chosen.rounds, process_time)
    for name in contenders:
        print(f"{name:<20} {timing.ms(name):.1f} ms")
    return {name: timing.ms(name) for name in contenders}


def quality_of(item: Candidate, chosen: argparse.Namespace) -> list[SetResult]:
    """Quality on every set."""
    method = open_method(item.model)
    sets = find_sets(chosen.data, method.model.facts.scale, chosen.set)
    thinned = [
        replace(images, images=images.images[:: chosen.every]) if len(images.images) > _LARGE_SET else images
        for images in sets
    ]
    return [evaluate(method, images) for images in thinned]


def plot(path: Path, output: Path) -> None:
    """PSNR over time, one panel per set; the dots of the balanced pattern are joined from dense on."""
    rows = [row for row in json.loads(path.read_text(encoding="utf-8"))["rows"] if row["ms"] is not None]
    output.write_text(quality_plot([_table_row(row) for row in _dense_first(rows)]), encoding="utf-8")
    print(output)


def _dense_first(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["sparsity"])


def _table_row(row: dict[str, Any]) -> TableRow:
    costs = {"density": row["density"], "macs": row["macs"], "seconds": row["ms"] / 1000}
    return TableRow(row["set"], BALANCED, 2, "fp32", row["psnr_y"], row["ssim_y"], **costs)


if __name__ == "__main__":
    main()
