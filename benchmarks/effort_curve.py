"""Quality against time for efforts from 0 to 1, on image sets.

    python benchmarks/effort_curve.py measure smsr_x2_official --data FOLDER [--set Set5] [--rounds 3] [--write NAME]
    python benchmarks/effort_curve.py plot RESULT.json... -o PLOT.png

All efforts and the dense run take turns on each image; times are medians over the rounds, summed over the set, and
compared with the dense run of the same rounds. ``plot`` needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import record

from sparsesr.image.metrics import psnr_y
from sparsesr.measure.bench import DENSE
from sparsesr.measure.latency import session_contender, time_in_turns
from sparsesr.measure.protocol import Pair, find_sets, load_pairs
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.session import Session

EFFORTS = (0.0, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    measuring = verbs.add_parser("measure")
    measuring.add_argument("model")
    measuring.add_argument("--data", type=Path, required=True)
    measuring.add_argument("--set", default="Set5")
    measuring.add_argument("--threads", type=int, default=2)
    measuring.add_argument("--rounds", type=int, default=3)
    measuring.add_argument("--efforts", type=float, nargs="+", default=EFFORTS)
    measuring.add_argument("--write", help="name of the result to write")
    measuring.set_defaults(run=measure)
    plotting = verbs.add_parser("plot")
    plotting.add_argument("results", type=Path, nargs="+")
    plotting.add_argument("-o", "--output", type=Path, required=True)
    plotting.set_defaults(run=lambda chosen: plot(chosen.results, chosen.output))
    chosen = parser.parse_args()
    chosen.run(chosen)


def measure(chosen: argparse.Namespace) -> None:
    model = load(chosen.model)
    session, facts = Session(model, chosen.threads), model.facts
    images = find_sets(chosen.data, facts.scale, [chosen.set])[0]
    measured = [
        measure_image(session, pair, chosen.efforts, chosen.rounds)
        for _, pair in load_pairs(images, facts.scale, facts.size_multiple)
    ]
    result = {
        **record.circumstances(
            f"python benchmarks/effort_curve.py measure MODEL --data FOLDER --set {chosen.set}"
        ),
        "model": chosen.model,
        "set": chosen.set,
        "threads": chosen.threads,
        "precision": "fp32",
        "rounds": chosen.rounds,
        "rows": [summed(key, measured) for key in measured[0]],
    }
    for row in result["rows"]:
        quality = f"{row['effort']!s:<6} {row['psnr_y_db']:7.3f} dB, density {row['density']:.3f}"
        print(f"{quality}, {row['ms']:8.1f} ms: {row['time_of_dense']:.1%} of dense")
    if chosen.write:
        print(record.write(chosen.write, result))


def measure_image(
    session: Session, pair: Pair, efforts: Sequence[float], rounds: int
) -> dict[str, dict[str, float]]:
    """Time, quality and cost of one image by effort, and dense."""
    contenders = {DENSE: session_contender(session, pair.lr, dense=True)}
    contenders |= {str(effort): session_contender(session, pair.lr, effort=effort) for effort in efforts}
    timing = time_in_turns(contenders, rounds)
    runs = {name: contender.run() for name, contender in contenders.items()}
    return {
        name: {
            "ms": timing.ms(name),
            "psnr_y_db": psnr_y(runs[name].image, pair.hr, session.model.facts.scale),
            "density": runs[name].stats.density,
            "macs": runs[name].stats.macs,
        }
        for name in contenders
    }


def summed(name: str, images: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """One row of the result: quality and density are means, time and multiply-adds are sums."""
    rows, dense = [image[name] for image in images], [image[DENSE] for image in images]
    return {
        "effort": name if name == DENSE else float(name),
        "psnr_y_db": mean(row["psnr_y_db"] for row in rows),
        "density": mean(row["density"] for row in rows),
        "ms": sum(row["ms"] for row in rows),
        "time_of_dense": sum(row["ms"] for row in rows) / sum(row["ms"] for row in dense),
        "macs_of_dense": sum(row["macs"] for row in rows) / sum(row["macs"] for row in dense),
    }


def plot(results: Sequence[Path], output: Path) -> None:
    """Draw one panel per result."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(results), figsize=(4.6 * len(results), 3.4), squeeze=False)
    for panel, path in zip(panels[0], results, strict=True):
        draw(panel, json.loads(path.read_text(encoding="utf-8")))
    figure.tight_layout()
    figure.savefig(output, dpi=110)
    print(output)


def draw(panel: Any, result: dict[str, Any]) -> None:
    rows = [row for row in result["rows"] if row["effort"] != DENSE]
    dense = next(row for row in result["rows"] if row["effort"] == DENSE)
    panel.plot(
        [row["time_of_dense"] for row in rows], [row["psnr_y_db"] for row in rows], "o-", label="effort"
    )
    for row in rows[::2] if len(rows) > 5 else rows:  # more labels would overlap
        place = (row["time_of_dense"], row["psnr_y_db"])
        panel.annotate(
            f"{row['effort']:g}", place, textcoords="offset points", xytext=(-5, 4), ha="right", fontsize=8
        )
    panel.plot([1.0], [dense["psnr_y_db"]], "s", color="black", label="every pixel (dense)")
    panel.set_xlabel("time, as a share of our own dense run")
    panel.set_ylabel("PSNR-Y, dB")
    panel.set_title(f"{result['set']}, {result['model']}, {result['threads']} threads", fontsize=10)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8, loc="center right")


if __name__ == "__main__":
    main()
