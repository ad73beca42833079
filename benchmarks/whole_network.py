"""Whole networks on photographs: sparse, dense, other runtimes, and the complete ``upscale`` command.

    python benchmarks/whole_network.py smsr_x2_official PHOTO... [--threads 1 2] [--peers torch,openvino] [--save]
    python benchmarks/whole_network.py smsr_x2_official FOLDER/*.png --threads 2 --peers openvino --write NAME

Figures are those of ``sparsesr bench``: medians of interleaved runs, with layers summarised as the share of everything
but convolutions. ``upscale`` is the complete command in a separate process, including start-up, decoding and encoding;
``page_faults`` are those of one more run, when all buffers exist. ``--save`` writes
benchmarks/results/MODEL_WIDTHxHEIGHT.json, replacing rows of the same number of threads; ``--write`` writes the rows of
all photos into one file.
"""

from __future__ import annotations

import argparse
import json
import resource
from pathlib import Path
from typing import Any

import record
from whole_command import run_upscale

from sparsesr.cli.peers import parse_peers
from sparsesr.image.decode import decode
from sparsesr.image.samples import to_eight_bit
from sparsesr.measure.bench_record import BenchRequest, measure_record
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.session import Session

_RUNS_BEFORE = 3
_NOT_KEPT = {
    "layers",
    "rounds_ms",
    "sparsesr",
    "date",
    "processor",
    "system",
    "usable_threads",
    "model",
    "input",
}


def main() -> None:
    chosen = _arguments()
    all_rows: list[dict[str, Any]] = []
    for photo in chosen.photos:
        rows = [_measure(chosen, photo, threads) for threads in chosen.threads]
        print("\n".join(_line(row) for row in rows), flush=True)
        all_rows += [{"photo": photo.stem, **row} for row in rows]
        if chosen.save:
            _save(chosen, rows, photo)
    if chosen.write:
        facts = record.circumstances(
            f"python benchmarks/whole_network.py MODEL PHOTO... --write {chosen.write}"
        )
        record.write(chosen.write, {**facts, "model": chosen.model, "rows": all_rows})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precision", default="fp32", help="precision of our own runs: fp32, bf16 or auto")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", type=parse_peers, default=[], help="torch,onnxruntime,openvino,ncnn")
    parser.add_argument("--save", action="store_true", help="write to benchmarks/results")
    parser.add_argument("--write", help="write the rows of all photos to benchmarks/results/WRITE.json")
    return parser.parse_args()


def _measure(chosen: argparse.Namespace, photo: Path, threads: int) -> dict[str, Any]:
    request = BenchRequest(
        load(chosen.model),
        to_eight_bit(decode(photo).rgb),
        None,
        threads,
        chosen.precision,
        None,
        chosen.repeats,
        chosen.peers,
    )
    measured = measure_record(request)
    figures = {key: value for key, value in measured.items() if key not in _NOT_KEPT}
    others = {"others_share": _others_share(measured["layers"]), "page_faults": _page_faults(request)}
    return {**figures, **others, **_upscale(chosen.model, photo, threads)}


def _others_share(layers: list[dict[str, Any]]) -> float:
    """Fraction of the sparse time outside convolutions; transposed convolutions count as outside."""
    others = [layer["sparse_ms"] for layer in layers if layer["op"] not in ("conv2d", "masked_conv2d")]
    return sum(others) / sum(layer["sparse_ms"] for layer in layers)


def _page_faults(request: BenchRequest) -> int:
    """Minor page faults of a sparse run after earlier runs of the same size."""
    session = Session(request.model, request.threads, request.precision)
    session.keep_buffers(session.peak_bytes(*request.image.shape[:2]))
    for _ in range(_RUNS_BEFORE):
        session.run(request.image)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    session.run(request.image)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _save(chosen: argparse.Namespace, rows: list[dict[str, Any]], photo: Path) -> None:
    height, width = decode(photo).rgb.shape[:2]
    name = f"{chosen.model}_{width}x{height}"
    result = {
        **record.circumstances("python benchmarks/whole_network.py MODEL PHOTO"),
        "model": chosen.model,
        "input": f"{width}x{height}",
        "rows": rows,
    }
    path = record.RESULTS / f"{name}.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if before.get("commit", "").removesuffix("+") == result["commit"].removesuffix("+"):
        measured = {row["threads"] for row in rows}
        rows += [row for row in before["rows"] if row["threads"] not in measured]
        rows.sort(key=lambda row: row["threads"])
    record.write(name, result)


def _upscale(model: str, photo: Path, threads: int) -> dict[str, float]:
    """Wall-clock time of the complete command, and peak memory of its process."""
    run = run_upscale(model, photo, threads)
    return {"upscale_s": run.seconds, "upscale_peak_mb": run.peak_mb}


def _line(row: dict[str, Any]) -> str:
    peers = {peer["name"]: peer["ms"] for peer in row["peers"]}
    shown = (
        "threads",
        "sparse_ms",
        "dense_ms",
        "density",
        "saving_realised",
        "sparse_peak_share",
        "others_share",
        "page_faults",
        "upscale_s",
    )
    figures = {**{key: row[key] for key in shown}, **peers}
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )


if __name__ == "__main__":
    main()
