"""Quality over time: our networks at several efforts and other networks, each in its best runtime and precision.

    python benchmarks/frontier.py time NAME --peers FOLDER [--models skim_fast_x2 ...] [--dense smsr_x2_official]
    python benchmarks/frontier.py quality NAME --peers FOLDER --set FOLDER/Set5 --set FOLDER/Urban100:10
    python benchmarks/frontier.py plot NAME

``--peers`` names a folder of ONNX files with one input (1, 3, H, W), RGB in 0..1, and an output ``--scale`` times as
large. They and the networks of ``--dense``, run dense, use ``--runtimes``; each precision keeps the fastest runtime.
``time`` writes results/NAME.json: median times of one photo, all kept entries taking turns. It needs a machine at rest.
``--again`` takes the runtimes, and the quality of the peers, from the earlier result of that name. ``quality`` adds
what is missing of PSNR-Y and density, means over a set (``:10``: every tenth image), in the same runtime and precision.
``plot`` draws NAME.svg: every network in its fastest precision, and in slower ones that are better; with ``--precision
fp32``, in that one.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import record
from contenders import (
    DENSE,
    OWN,
    Entry,
    PeerEntry,
    dense_file,
    fastest_peers,
    own_entries,
    own_entry,
    peer_entry,
    peer_files,
    time_entries,
)

from sparsesr.cli.peers import PEERS, parse_peers
from sparsesr.image.decode import decode
from sparsesr.image.metrics import psnr_y
from sparsesr.image.samples import to_eight_bit
from sparsesr.measure.chopped import with_default_inference
from sparsesr.measure.method import Method
from sparsesr.measure.peers.onnx_file import OnnxFile
from sparsesr.measure.protocol import EvaluationSet, Pair, find_sets, load_pairs
from sparsesr.measure.quality_plot import quality_plot
from sparsesr.measure.tables import TableRow
from sparsesr.modelfile.catalogue import load

PHOTO = Path(__file__).parents[1] / "samples" / "coffee.jpg"
OWN_MODELS = ("skim_fast_x2", "skim_best_x2", "smsr_s_x2")
EFFORTS = (0.25, 0.375, 0.5, 0.6)
EQUAL_DB = 0.03
"""A precision that costs no more is drawn alone, if it is faster."""
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    timing = _verb(verbs, "time", measure_times)
    timing.add_argument("--runtimes", type=parse_peers, default="onnxruntime,openvino")
    timing.add_argument("--models", nargs="*", default=OWN_MODELS, help="our models")
    timing.add_argument("--efforts", type=float, nargs="+", default=EFFORTS)
    timing.add_argument("--photo", type=Path, default=PHOTO, help="timed image [a sample of 480x320]")
    timing.add_argument("--rounds", type=int, default=7)
    timing.add_argument("--again", action="store_true", help="use the runtimes of the result NAME")
    quality = _verb(verbs, "quality", measure_quality)
    quality.add_argument("--set", type=_image_set, action="append", required=True, help="FOLDER or FOLDER:N")
    for verb in (timing, quality):
        verb.add_argument("--peers", type=Path, help="folder of ONNX files")
        verb.add_argument("--dense", nargs="*", default=[], help="our models to be run dense everywhere")
        verb.add_argument("--scale", type=int, default=2)
        verb.add_argument("--threads", type=int, default=2)
    plot = _verb(verbs, "plot", draw)
    plot.add_argument("--precision", help="of all networks [the fastest of each, and better ones]")
    plot.add_argument("--sets", nargs="+", help="one panel each [all]")
    plot.add_argument("-o", "--output", type=Path, help="[results/NAME.svg]")
    chosen = parser.parse_args()
    chosen.run(chosen)


def _verb(verbs: Any, name: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name)
    parser.add_argument("name", help="of the result")
    parser.set_defaults(run=run)
    return parser


def _image_set(text: str) -> tuple[Path, int]:
    """``FOLDER:10`` -> folder, every tenth image."""
    folder, _, step = text.rpartition(":")
    return (Path(folder), int(step)) if folder else (Path(text), 1)


def measure_times(chosen: argparse.Namespace) -> None:
    image = to_eight_bit(decode(chosen.photo).rgb)
    height, width = image.shape[:2]
    files = _files(chosen, height, width)
    peers = _known_peers(chosen, files, image) if chosen.again else _chosen_peers(chosen, files, image)
    own = {
        entry: contender
        for names, efforts in ((chosen.models, chosen.efforts), (chosen.dense, [None]))
        for name in names
        for entry, contender in own_entries(
            load(name).at_scale(chosen.scale), image, chosen.threads, efforts
        ).items()
    }
    ms = time_entries(peers, own, chosen.rounds)
    before = _before(chosen.name) if chosen.again else {}
    rows: list[Row] = [_row(entry, ms[entry.name]) | before.get(entry.name, {}) for entry in [*peers, *own]]
    print("\n".join(f"{entry.name:<48} {ms[entry.name]:8.1f} ms" for entry in [*peers, *own]))
    result: dict[str, Any] = {
        **record.circumstances("python benchmarks/frontier.py time NAME --peers FOLDER"),
        "input": f"{width}x{height}",
        "threads": chosen.threads,
        "rounds": chosen.rounds,
        "images": record.read(chosen.name)["images"] if chosen.again else {},
        "rows": rows,
    }
    print(record.write(chosen.name, result))


def _files(chosen: argparse.Namespace, height: int, width: int) -> list[OnnxFile]:
    return [
        *peer_files(chosen.peers, chosen.scale),
        *(dense_file(name, chosen.scale, height, width) for name in chosen.dense),
    ]


def _chosen_peers(chosen: argparse.Namespace, files: Sequence[OnnxFile], image: Any) -> list[PeerEntry]:
    return [best for file in files for best in fastest_peers(file, image, chosen.runtimes, chosen.threads)]


def _known_peers(chosen: argparse.Namespace, files: Sequence[OnnxFile], image: Any) -> list[PeerEntry]:
    """Peers in the runtimes that an earlier measurement chose."""
    rows: list[Row] = record.read(chosen.name)["rows"]
    return [
        peer_entry(file, PEERS[row["runtime"]], row["precision"], chosen.threads, image)
        for file in files
        for row in rows
        if row["network"] == file.name and row["runtime"] != OWN
    ]


def _before(name: str) -> dict[str, Row]:
    """Quality of the peers of an earlier result, by name of the entry; our own models may have changed since."""
    return {
        f"{row['network']} ({row['runtime']} {row['precision']})": {"psnr_y_db": row["psnr_y_db"]}
        for row in record.read(name)["rows"]
        if row["runtime"] != OWN
    }


def _row(entry: Entry, ms: float) -> Row:
    key = {"network": entry.network, "runtime": entry.runtime, "precision": entry.precision}
    return {**key, "effort": entry.effort, "ms": round(ms, 2), "psnr_y_db": {}, "density": {}}


def measure_quality(chosen: argparse.Namespace) -> None:
    """Add the quality on the sets to the rows of a result; writes after each row."""
    result = record.read(chosen.name)
    sets = [_read_set(folder, chosen.scale, step) for folder, step in chosen.set]
    result["images"] |= {images.name: len(images.images) for images in sets}
    photo = to_eight_bit(decode(PHOTO).rgb)
    files = {file.name: file for file in _files(chosen, *photo.shape[:2])}
    own: dict[str, str] = {load(name).facts.name: name for name in chosen.dense}
    for row in result["rows"]:
        missing = [images for images in sets if images.name not in row["psnr_y_db"]]
        if not missing:
            continue
        method = with_default_inference(_entry(row, files, own, chosen).method())
        for images in missing:
            psnr, density = _quality(method, images)
            row["psnr_y_db"][images.name] = psnr
            if row["effort"] is not None:
                row["density"][images.name] = density
        print(row, flush=True)
        record.write(chosen.name, result)


def _quality(method: Method, images: EvaluationSet) -> tuple[float, float]:
    """Mean PSNR-Y and density on a set."""
    facts = method.model.facts
    pairs = _pairs(images, facts.scale, facts.size_multiple)
    results = [method.upscale(pair.lr) for pair in pairs]
    psnr = [psnr_y(done.image, pair.hr, facts.scale) for done, pair in zip(results, pairs, strict=True)]
    return round(mean(psnr), 3), round(mean(done.density for done in results), 3)


@cache
def _pairs(images: EvaluationSet, scale: int, size_multiple: int) -> list[Pair]:
    """Read and shrink the images of a set once for all networks."""
    return [pair for _, pair in load_pairs(images, scale, size_multiple)]


def _read_set(folder: Path, scale: int, step: int) -> EvaluationSet:
    images = find_sets(folder, scale)[0]
    return replace(images, images=images.images[::step])


def _entry(row: Row, files: dict[str, OnnxFile], own: dict[str, str], chosen: argparse.Namespace) -> Entry:
    """The entry of a row; ``own``: names or paths of our models by name, where they differ."""
    network, precision = row["network"], row["precision"]
    if row["runtime"] == OWN:
        name: str = network.removesuffix(DENSE)
        model = load(own.get(name, name)).at_scale(chosen.scale)
        return own_entry(model, precision, chosen.threads, row["effort"])
    if network not in files:
        raise SystemExit(f"{network}: not among the files of --peers and the models of --dense")
    pixel = np.zeros((1, 1, 3), np.uint8)  # quality needs no timed image
    return peer_entry(files[network], PEERS[row["runtime"]], precision, chosen.threads, pixel)


def draw(chosen: argparse.Namespace) -> None:
    """Draw a result: one panel per set, our networks in colours, joined by effort."""
    result = record.read(chosen.name)
    rows: Sequence[Row] = result["rows"]
    if chosen.precision:
        rows = [row for row in rows if row["precision"] == chosen.precision]
    points = [
        point
        for row in _worthwhile(rows)
        for point in _points(row)
        if not chosen.sets or point.set in chosen.sets
    ]
    others = {row["network"] for row in rows if row["runtime"] != OWN}
    time_label = f"seconds for {result['input']}, {result['threads']} threads"
    path = chosen.output or record.RESULTS / f"{chosen.name}.svg"
    path.write_text(quality_plot(points, others=others, time_label=time_label), encoding="utf-8")
    print(path)


def _worthwhile(rows: Sequence[Row]) -> list[Row]:
    """All rows but those of networks that are faster, and as good, in another precision or runtime."""
    return [row for row in rows if not any(_replaces(other, row) for other in rows)]


def _replaces(other: Row, row: Row) -> bool:
    is_same = (other["network"], other["effort"]) == (row["network"], row["effort"])
    losses = (psnr - other["psnr_y_db"][name] for name, psnr in row["psnr_y_db"].items())
    return is_same and other["ms"] < row["ms"] and all(loss <= EQUAL_DB for loss in losses)


def _points(row: Row) -> list[TableRow]:
    """Points of a row, one per panel (image set)."""
    return [
        TableRow(
            name,
            row["network"],
            2,
            row["precision"],
            psnr,
            ssim_y=math.nan,
            density=row["density"].get(name, 1.0),
            macs=math.nan,
            seconds=row["ms"] / 1000,
        )
        for name, psnr in row["psnr_y_db"].items()
    ]


if __name__ == "__main__":
    main()
