"""Photographs as people have them: phone and camera files at native resolution, far softer than shrunken test images.

    python benchmarks/native_photographs.py time NAME PHOTO... [--models skim_fast_x2 ...] [--efforts 0.5 0.6]
    python benchmarks/native_photographs.py peers NAME PHOTO --peers FOLDER [--tiles 480x320 1024x768]
    python benchmarks/native_photographs.py masks NAME PHOTO... [--region 2048x1536]
    python benchmarks/native_photographs.py command NAME PHOTO...
    python benchmarks/native_photographs.py table NAME --frontier FRONTIER

All add to results/NAME.json, replacing rows of the same photograph, network, precision and effort. ``time``: our
networks on whole photographs, taking turns, without reading and writing files. ``peers``: dense networks cost the same
everywhere, so they are timed on tiles of one photograph, at the size that suits each best, and counted per megapixel;
overlaps that tiles need are not counted. ``masks``: what inactive pixels lose; the sparse result against the dense one
of the same network and against more effort, on the middle of each photograph. ``command``: the complete ``upscale``.
``table`` prints all as Markdown, with the fastest peer of at least equal PSNR-Y in results/FRONTIER.json, and draws
results/NAME.svg. ``time``, ``peers`` and ``command`` need a machine at rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import native_table
import numpy as np
import record
from contenders import PRECISIONS, fastest_peers, peer_files, time_entries
from mask_losses import mask_losses
from whole_command import run_upscale

from sparsesr.cli.peers import parse_peers
from sparsesr.image.decode import decode
from sparsesr.image.samples import to_eight_bit
from sparsesr.measure.latency import Contender, session_contender, time_in_turns
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.session import Session

OWN_MODELS = ("skim_fast_x2", "skim_best_x2", "smsr_s_x2")
SCALE = 2
_WARM_UP = (480, 320)
"""Size of the part that packs weights and wakes threads; a whole photograph takes too long to be run for nothing."""
_KEY = ("measured", "photo", "network", "precision", "effort", "format", "tile")
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    timing, peers, masks, command = (
        _verb(verbs, name, run)
        for name, run in (
            ("time", time_photos),
            ("peers", time_peers),
            ("masks", measure_masks),
            ("command", time_command),
        )
    )
    for verb in (timing, masks, command):
        verb.add_argument("--models", nargs="+", default=OWN_MODELS)
    for verb in (timing, command):
        verb.add_argument("--precisions", nargs="+", default=PRECISIONS)
    for verb, rounds in ((timing, 1), (peers, 3), (command, 3)):
        verb.add_argument("--rounds", type=int, default=rounds)
    timing.add_argument("--efforts", type=float, nargs="+", default=[0.5])
    masks.add_argument("--efforts", type=float, nargs="+", default=(0.25, 0.5, 0.6, 0.75))
    masks.add_argument("--region", type=_size, default=(2048, 1536), help="compared part [2048x1536]")
    masks.add_argument("--crops", type=Path, help="folder for pictures of where masks lose most")
    peers.add_argument("--peers", type=Path, required=True, help="folder of ONNX files")
    peers.add_argument("--runtimes", type=parse_peers, default="openvino")
    peers.add_argument("--tiles", type=_size, nargs="+", default=((480, 320), (1024, 768)))
    command.add_argument("--formats", nargs="+", default=["jpg"])
    table = verbs.add_parser("table")
    table.add_argument("name", help="of the result")
    table.add_argument("--frontier", required=True, help="name of a result of frontier.py")
    table.set_defaults(run=show)
    chosen = parser.parse_args()
    chosen.run(chosen)


def show(chosen: argparse.Namespace) -> None:
    native_table.show(chosen.name, chosen.frontier)


def _verb(verbs: Any, name: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name)
    parser.add_argument("name", help="of the result")
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.set_defaults(run=run)
    return parser


def _size(text: str) -> tuple[int, int]:
    """``480x320`` -> (480, 320)."""
    width, height = text.split("x")
    return int(width), int(height)


def _keep(chosen: argparse.Namespace, rows: Sequence[Row]) -> None:
    """Add rows to the result, in place of those with the same key."""
    path = record.RESULTS / f"{chosen.name}.json"
    before: list[Row] = record.read(chosen.name)["rows"] if path.exists() else []
    new = {tuple(row.get(key) for key in _KEY) for row in rows}
    kept = [row for row in before if tuple(row.get(key) for key in _KEY) not in new]
    facts = record.circumstances("python benchmarks/native_photographs.py VERB NAME PHOTO...")
    record.write(chosen.name, {**facts, "threads": chosen.threads, "rows": [*kept, *rows]})
    for row in rows:
        print(row, flush=True)


def _pixels(photo: Path) -> Any:
    return to_eight_bit(decode(photo).rgb)


def _middle(image: Any, width: int, height: int) -> Any:
    top, left = max(0, (image.shape[0] - height) // 2), max(0, (image.shape[1] - width) // 2)
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def time_photos(chosen: argparse.Namespace) -> None:
    """Seconds of our networks on whole photographs, pixels to pixels."""
    for photo in chosen.photos:
        image = _pixels(photo)
        contenders: dict[str, Contender] = {}
        keys: dict[str, Row] = {}
        for model, precision in ((load(name), p) for name in chosen.models for p in chosen.precisions):
            session = Session(model, chosen.threads, precision)
            session.run(_middle(image, *_WARM_UP))
            for effort in chosen.efforts:
                name = f"{model.facts.name} {precision} {effort:g}"
                contenders[name] = session_contender(session, image, effort=effort)
                keys[name] = {"network": model.facts.name, "precision": precision, "effort": effort}
        timing = time_in_turns(contenders, chosen.rounds, warm_up=False)
        rows = [
            {
                "measured": "time",
                "photo": photo.stem,
                "megapixels": round(image.shape[0] * image.shape[1] / 1e6, 2),
                **key,
                "s": round(timing.ms(name) / 1000, 3),
                "density": round(timing.results[name][-1].stats.density, 4),
            }
            for name, key in keys.items()
        ]
        _keep(chosen, rows)


def time_peers(chosen: argparse.Namespace) -> None:
    """Seconds of peers per megapixel, in tiles of several sizes."""
    image = _pixels(chosen.photos[0])
    for width, height in chosen.tiles:
        tile = _middle(image, width, height)
        entries = [
            entry
            for file in peer_files(chosen.peers, SCALE)
            for entry in fastest_peers(file, tile, chosen.runtimes, chosen.threads)
        ]
        ms = time_entries(entries, {}, chosen.rounds)
        rows = [
            {
                "measured": "peer",
                "network": entry.network,
                "precision": entry.precision,
                "runtime": entry.runtime,
                "tile": f"{width}x{height}",
                "s_per_megapixel": round(ms[entry.name] * 1000 / (width * height), 4),
            }
            for entry in entries
        ]
        _keep(chosen, rows)


def measure_masks(chosen: argparse.Namespace) -> None:
    """What inactive pixels lose, in fp32."""
    for photo in chosen.photos:
        image = _middle(_pixels(photo), *chosen.region)
        for name in chosen.models:
            losses = mask_losses(
                load(name), image, chosen.efforts, chosen.threads, _crops(chosen, photo, name)
            )
            key = {"measured": "masks", "photo": photo.stem, "network": name}
            _keep(chosen, [key | loss for loss in losses])


def _crops(chosen: argparse.Namespace, photo: Path, name: str) -> Path | None:
    return chosen.crops / f"{photo.stem}_{name}" if chosen.crops else None


def time_command(chosen: argparse.Namespace) -> None:
    """Seconds and peak memory of the complete command."""
    for photo in chosen.photos:
        for name, precision, suffix in (
            (name, precision, suffix)
            for name in chosen.models
            for precision in chosen.precisions
            for suffix in chosen.formats
        ):
            runs = [
                run_upscale(name, photo, chosen.threads, "--precision", precision, suffix=f".{suffix}")
                for _ in range(chosen.rounds)
            ]
            row = {"measured": "command", "photo": photo.stem, "network": name, "precision": precision}
            row |= {
                "format": suffix,
                "s": round(median(run.seconds for run in runs), 2),
                "network_s": round(median(run.record["network_seconds"] for run in runs), 2),
                "peak_mb": round(max(run.peak_mb for run in runs)),
                "mode": runs[-1].record["mode"],
            }
            _keep(chosen, [row])


if __name__ == "__main__":
    main()
