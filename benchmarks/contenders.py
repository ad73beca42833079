"""Networks that take part in a measurement: ours, and ONNX files of others in other runtimes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from sparsesr import _native
from sparsesr.interchange.dense_model import dense_model
from sparsesr.interchange.onnx_model import to_onnx
from sparsesr.measure.latency import Contender, session_contender, time_in_turns
from sparsesr.measure.method import Method
from sparsesr.measure.native import NativeMethod
from sparsesr.measure.peers.onnx_file import OnnxFile, OnnxMethod, onnx_precisions
from sparsesr.measure.peers.peer import Peer
from sparsesr.measure.peers.peer_process import open_isolated
from sparsesr.measure.peers.runtimes import PeerRuntime, as_tensor
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.prepared import supported_precisions
from sparsesr.runtime.session import Session

PRECISIONS = ("fp32", "bf16") if _native.has_fast_bf16() else ("fp32",)
"""Of peers, and of our models without scales for int8."""
ROUNDS_TO_CHOOSE = 3
OWN = "sparsesr"
"""Name of our runtime."""
DENSE = " dense"
"""After the name of one of our models: computed dense."""


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
    """A network in another runtime."""

    opener: Callable[[], list[Peer]]
    """Opens it for the timed image."""


def peer_files(folder: Path | None, scale: int) -> list[OnnxFile]:
    """Read the ONNX files of a folder, by name; none without a folder."""
    return [OnnxFile.read(path, scale) for path in sorted(folder.glob("*.onnx"))] if folder else []


def dense_file(name_or_path: str, scale: int, height: int, width: int) -> OnnxFile:
    """Return one of our models, computed dense, as an ONNX file."""
    model = load(name_or_path).at_scale(scale)
    serialized = to_onnx(dense_model(model), (height, width)).SerializeToString()
    return OnnxFile(f"{model.facts.name}{DENSE}", serialized, model.facts.scale)


def peer_entry(file: OnnxFile, runtime: PeerRuntime, precision: str, threads: int, image: Any) -> PeerEntry:
    """Return a file in one runtime and precision, timed on an 8-bit image (H, W, 3)."""
    return PeerEntry(
        file.name,
        runtime.name,
        precision,
        threads,
        partial(OnnxMethod, file, runtime, precision, threads),
        opener=partial(file.open_peers, runtime, as_tensor(image), threads, [precision]),
    )


def fastest_peers(
    file: OnnxFile, image: Any, runtimes: Sequence[PeerRuntime], threads: int
) -> list[PeerEntry]:
    """Return, for each precision, the file in its fastest runtime."""
    everywhere = [
        peer_entry(file, runtime, precision, threads, image)
        for runtime, precision in product(runtimes, PRECISIONS)
        if precision in onnx_precisions(runtime)
    ]
    if len(runtimes) == 1:
        return everywhere
    ms = time_entries(everywhere, {}, ROUNDS_TO_CHOOSE)
    print(", ".join(f"{name} {value:.1f} ms" for name, value in ms.items()), flush=True)
    return [
        min((peer for peer in everywhere if peer.precision == precision), key=lambda peer: ms[peer.name])
        for precision in dict.fromkeys(peer.precision for peer in everywhere)
    ]


def own_entry(model: ModelFile, precision: str, threads: int, effort: float | None = None) -> Entry:
    """Return one of our models at an effort; without one, computed dense."""
    if effort is None:
        dense = partial(NativeMethod, dense_model(model), threads, precision)
        return Entry(f"{model.facts.name}{DENSE}", OWN, precision, threads, dense)
    method = partial(NativeMethod, model, threads, precision, effort=effort)
    return Entry(model.facts.name, OWN, precision, threads, method, effort)


def own_precisions(model: ModelFile) -> tuple[str, ...]:
    """Return the precisions in which this processor runs one of our models."""
    has_int8 = _native.has_fast_int8() and "int8" in supported_precisions(model)
    return (*PRECISIONS, "int8") if has_int8 else PRECISIONS


def own_entries(
    model: ModelFile, image: Any, threads: int, efforts: Sequence[float | None]
) -> dict[Entry, Contender]:
    """Return a model in every precision and at every effort (None: dense), timed on an 8-bit image (H, W, 3)."""
    found: dict[Entry, Contender] = {}
    for precision in own_precisions(model):
        session = Session(model, threads, precision)
        session.keep_buffers(2 * session.peak_bytes(*image.shape[:2]))
        for effort in efforts:
            options = {"dense": True} if effort is None else {"effort": effort}
            entry = own_entry(model, session.precision, threads, effort)
            found[entry] = session_contender(session, image, **options)
    return found


def time_entries(peers: Sequence[PeerEntry], own: Mapping[Entry, Contender], rounds: int) -> dict[str, float]:
    """Median ms by name, interleaved; each peer runs in a separate process."""
    with open_isolated({peer.name: peer.opener for peer in peers}) as opened:
        contenders = {
            entry.name: Contender(peer.work, entry.threads, entry.precision)
            for entry, peer in zip(peers, opened, strict=True)
        }
        contenders |= {entry.name: contender for entry, contender in own.items()}
        timing = time_in_turns(contenders, rounds)
    return {name: timing.ms(name) for name in contenders}
