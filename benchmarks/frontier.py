"""Quality over time: our networks at several efforts and other networks, each in its best runtime and precision.

    python benchmarks/frontier.py --set FOLDER/Set5 --set FOLDER/val --set FOLDER/Urban100 --images 20 --peers FOLDER \
        [--models smsr_s_x2 smsr_x2] [--dense smsr_x2_official] [--write frontier_x2]

``--peers`` names a folder of ONNX files with one input (1, 3, H, W), RGB in 0..1, and an output ``--scale`` times as
large. They and the networks of ``--dense``, run dense, use ``--runtimes``; each precision keeps the fastest runtime.
Times are of one photo, all kept entries taking turns; PSNR-Y is the mean over a set, in the same runtime and precision.
``--write NAME`` writes results/NAME.json, and the plots NAME_fp32.svg and NAME_best.svg: every network in fp32, and in
its fastest precision.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import record

from sparsesr import _native
from sparsesr.cli.peers import parse_peers
from sparsesr.image.decode import decode
from sparsesr.image.samples import to_eight_bit
from sparsesr.interchange.dense_model import dense_model
from sparsesr.interchange.onnx_model import to_onnx
from sparsesr.measure.chopped import with_default_inference
from sparsesr.measure.latency import Contender, session_contender, time_in_turns
from sparsesr.measure.method import Method
from sparsesr.measure.native import NativeMethod
from sparsesr.measure.peers.onnx_file import OnnxFile, OnnxMethod, onnx_precisions
from sparsesr.measure.peers.peer import Peer
from sparsesr.measure.peers.peer_process import open_isolated
from sparsesr.measure.peers.runtimes import PeerRuntime, as_tensor
from sparsesr.measure.protocol import EvaluationSet, find_sets
from sparsesr.measure.quality import evaluate
from sparsesr.measure.quality_plot import quality_plot
from sparsesr.measure.tables import TableRow
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.session import Session

PHOTO = Path(__file__).parents[1] / "samples" / "coffee.jpg"
ROUNDS_TO_CHOOSE = 3
PRECISIONS = ("fp32", "bf16") if _native.has_fast_bf16() else ("fp32",)


@dataclass(frozen=True)
class Entry:
    """A network in one runtime and precision."""

    network: str
    runtime: str
    precision: str
    threads: int
    method: Callable[[], Method]
    """Opens the network to measure its quality."""
    effort: float | None = None

    @property
    def name(self) -> str:
        effort = "" if self.effort is None else f", effort {self.effort:g}"
        return f"{self.network} ({self.runtime} {self.precision}{effort})"


@dataclass(frozen=True, kw_only=True)
class PeerEntry(Entry):
    """An ONNX file in another runtime."""

    opener: Callable[[], list[Peer]]
    """Opens the file for the timed photo."""


def main() -> None:
    chosen = _arguments()
    image = to_eight_bit(decode(chosen.photo).rgb)
    height, width = image.shape[:2]
    files = (
        [OnnxFile.read(path, chosen.scale) for path in sorted(chosen.peers.glob("*.onnx"))]
        if chosen.peers
        else []
    )
    files += [_dense_file(load(name).at_scale(chosen.scale), height, width) for name in chosen.dense]
    peers = [best for file in files for best in _fastest(file, image, chosen.runtimes, chosen.threads)]
    own = _own(chosen, image)
    ms = _time(peers, own, chosen.rounds)
    sets = [_read_set(folder, chosen.scale, chosen.images) for folder in chosen.set]
    rows: list[dict[str, Any]] = []
    for entry in [*peers, *own]:
        rows.append(_row(entry, ms[entry.name], sets))
        print(_line(rows[-1]), flush=True)
    if chosen.write:
        _write(chosen, f"{width}x{height}", sets, rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--set", type=Path, action="append", required=True, help="folder of a set; repeat it")
    parser.add_argument("--images", type=int, help="use only the first N images of each set")
    parser.add_argument("--peers", type=Path, help="folder of ONNX files")
    parser.add_argument("--runtimes", type=parse_peers, default="onnxruntime,openvino")
    parser.add_argument(
        "--models", nargs="*", default=["smsr_s_x2", "smsr_x2"], help="our models, at all efforts"
    )
    parser.add_argument("--efforts", type=float, nargs="+", default=[0.25, 0.375, 0.5])
    parser.add_argument("--dense", nargs="*", default=[], help="our models whose dense forms run in peers")
    parser.add_argument("--photo", type=Path, default=PHOTO, help="timed image [a sample of 480x320]")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", metavar="NAME")
    return parser.parse_args()


def _dense_file(model: ModelFile, height: int, width: int) -> OnnxFile:
    serialized = to_onnx(dense_model(model), (height, width)).SerializeToString()
    return OnnxFile(f"{model.facts.name} dense", serialized, model.facts.scale)


def _fastest(file: OnnxFile, image: Any, runtimes: Sequence[PeerRuntime], threads: int) -> list[PeerEntry]:
    """Return, for each precision, the file in its fastest runtime."""
    everywhere = [
        PeerEntry(
            file.name,
            runtime.name,
            precision,
            threads,
            partial(OnnxMethod, file, runtime, precision, threads),
            opener=partial(file.open_peers, runtime, as_tensor(image), threads, [precision]),
        )
        for runtime, precision in product(runtimes, PRECISIONS)
        if precision in onnx_precisions(runtime)
    ]
    ms = _time(everywhere, {}, ROUNDS_TO_CHOOSE)
    print(", ".join(f"{name} {value:.1f} ms" for name, value in ms.items()), flush=True)
    return [
        min((peer for peer in everywhere if peer.precision == precision), key=lambda peer: ms[peer.name])
        for precision in dict.fromkeys(peer.precision for peer in everywhere)
    ]


def _own(chosen: argparse.Namespace, image: Any) -> dict[Entry, Contender]:
    """Our networks at every effort, and those of ``--dense`` with all pixels active."""
    found: dict[Entry, Contender] = {}
    for name, precision in product(chosen.models, PRECISIONS):
        model = load(name).at_scale(chosen.scale)
        session = _session(model, chosen.threads, precision, image)
        for effort in chosen.efforts:
            open_method = partial(NativeMethod, model, chosen.threads, precision, effort=effort)
            entry = Entry(
                model.facts.name, "sparsesr", session.precision, chosen.threads, open_method, effort
            )
            found[entry] = session_contender(session, image, effort=effort)
    for name, precision in product(chosen.dense, PRECISIONS):
        model = load(name).at_scale(chosen.scale)
        session = _session(model, chosen.threads, precision, image)
        open_method = partial(NativeMethod, dense_model(model), chosen.threads, precision)
        entry = Entry(f"{model.facts.name} dense", "sparsesr", session.precision, chosen.threads, open_method)
        found[entry] = session_contender(session, image, dense=True)
    return found


def _session(model: ModelFile, threads: int, precision: str, image: Any) -> Session:
    session = Session(model, threads, precision)
    session.keep_buffers(2 * session.peak_bytes(*image.shape[:2]))
    return session


def _time(peers: Sequence[PeerEntry], own: Mapping[Entry, Contender], rounds: int) -> dict[str, float]:
    """Median ms by name, interleaved; each peer runs in a separate process."""
    with open_isolated({peer.name: peer.opener for peer in peers}) as opened:
        contenders = {
            entry.name: Contender(peer.work, entry.threads, entry.precision)
            for entry, peer in zip(peers, opened, strict=True)
        }
        contenders |= {entry.name: contender for entry, contender in own.items()}
        timing = time_in_turns(contenders, rounds)
    return {name: timing.ms(name) for name in contenders}


def _read_set(folder: Path, scale: int, most: int | None) -> EvaluationSet:
    images = find_sets(folder, scale)[0]
    return replace(images, images=images.images[:most])


def _row(entry: Entry, ms: float, sets: Sequence[EvaluationSet]) -> dict[str, Any]:
    method = with_default_inference(entry.method())
    results = {images.name: evaluate(method, images) for images in sets}
    return {
        "network": entry.network,
        "runtime": entry.runtime,
        "precision": entry.precision,
        "effort": entry.effort,
        "scale": method.model.facts.scale,
        "ms": round(ms, 2),
        "psnr_y_db": {name: round(result.mean("psnr_y"), 3) for name, result in results.items()},
        "density": {name: round(result.mean("density"), 3) for name, result in results.items()},
    }


def _line(row: dict[str, Any]) -> str:
    quality = "  ".join(f"{name} {psnr:.2f} dB" for name, psnr in row["psnr_y_db"].items())
    effort = "" if row["effort"] is None else f"effort {row['effort']:g}"
    return f"{row['network']:<24} {row['runtime']:<12} {row['precision']} {effort:<12} {row['ms']:8.1f} ms  {quality}"


def _write(
    chosen: argparse.Namespace, size: str, sets: Sequence[EvaluationSet], rows: list[dict[str, Any]]
) -> None:
    result = {
        **record.circumstances("python benchmarks/frontier.py --set FOLDER... --peers FOLDER --write NAME"),
        "input": size,
        "threads": chosen.threads,
        "rounds": chosen.rounds,
        "images": {images.name: len(images.images) for images in sets},
        "rows": rows,
    }
    print(record.write(chosen.write, result))
    exact = [row for row in rows if row["precision"] == "fp32"]
    for kind, shown in (("fp32", exact), ("best", _in_best_precision(rows))):
        path = record.RESULTS / f"{chosen.write}_{kind}.svg"
        path.write_text(quality_plot([point for row in shown for point in _points(row)]), encoding="utf-8")


def _in_best_precision(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the fastest runtime and precision, for each network and effort."""
    best: dict[tuple[str, float | None], dict[str, Any]] = {}
    for row in rows:
        key = (row["network"], row["effort"])
        if key not in best or row["ms"] < best[key]["ms"]:
            best[key] = row
    return list(best.values())


def _points(row: dict[str, Any]) -> list[TableRow]:
    """Points of a row, one per panel (image set)."""
    return [
        TableRow(
            name,
            row["network"],
            row["scale"],
            row["precision"],
            psnr,
            ssim_y=math.nan,
            density=row["density"][name],
            macs=math.nan,
            seconds=row["ms"] / 1000,
        )
        for name, psnr in row["psnr_y_db"].items()
    ]


if __name__ == "__main__":
    main()
