"""Record of ``sparsesr bench``, ready to be printed or written as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.image.metrics import psnr_y
from sparsesr.image.samples import quantised
from sparsesr.measure.bench import DENSE, SPARSE, Benchmark, benchmark
from sparsesr.measure.latency import Contender, session_contender
from sparsesr.measure.machine import this_machine
from sparsesr.measure.peers.peer_process import IsolatedPeer, isolated_peers
from sparsesr.measure.peers.runtimes import PeerRuntime
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.prepared import supported_precisions
from sparsesr.runtime.session import Session

REFERENCE = "our own dense fp32 run"
ALL_PRECISIONS = "all"
"""Requests fp32 in detail, and beside it each other precision in which the model runs on this machine."""
Pixels = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
PEER_SETUP = (
    "peers run the leanest dense form of the network: every pixel in full, no mask heads, no masks,"
    " like our own dense run, each runtime in a process of its own that keeps freed memory; their input is a"
    " prepared float tensor, ours the 8-bit image"
)


@dataclass(frozen=True)
class BenchRequest:
    """Arguments of a measurement."""

    model: ModelFile
    image: Pixels
    hr: Pixels | None
    """HR reference, the size of the result, if available."""
    threads: int | None
    precision: str
    effort: float | None
    rounds: int
    peers: Sequence[PeerRuntime]


def measure_record(request: BenchRequest) -> dict[str, Any]:
    """Run all contenders and assemble the record.

    Raises:
        BackendError: a peer's process died.
    """
    precision = "fp32" if request.precision == ALL_PRECISIONS else request.precision
    session = Session(request.model, request.threads, precision)
    with isolated_peers(request.peers, request.model, request.image, session.threads) as peers:
        return _measured(request, session, peers)


def _measured(request: BenchRequest, session: Session, peers: Sequence[IsolatedPeer]) -> dict[str, Any]:
    sessions = _further_sessions(request, session)
    outputs = _outputs(request, session, sessions, peers)
    quality = {name: _quality(request, output, outputs[REFERENCE]) for name, output in outputs.items()}
    others = {peer.name: Contender(peer.work, session.threads, peer.precision) for peer in peers}
    others |= _further_contenders(request, sessions)
    result = benchmark(session, request.image, request.rounds, others, request.effort)
    return {
        **_circumstances(request, session),
        **_totals(result),
        "quality": {name: quality[name] for name in (SPARSE, DENSE)},
        "layers": [asdict(layer) for layer in result.layers],
        "peer_setup": PEER_SETUP if peers else None,
        "precisions": [
            _precision_record(name, other, result, quality[name]) for name, other in sessions.items()
        ],
        "peers": [_peer_record(peer, result, quality[peer.name]) for peer in peers],
        "fastest": _fastest(result, sessions, peers),
        "rounds_ms": result.rounds_ms,
    }


def _further_sessions(request: BenchRequest, session: Session) -> dict[str, Session]:
    """Sessions in the other precisions, by the name of their run, if all precisions were asked for."""
    if request.precision != ALL_PRECISIONS:
        return {}
    supported = supported_precisions(session.model)
    wanted = [p for p in REDUCED_PRECISIONS if p in supported]
    sessions = [Session(request.model, session.threads, precision) for precision in wanted]
    return {f"{SPARSE} {s.precision}": s for s in sessions if s.precision != session.precision}


def _further_contenders(request: BenchRequest, sessions: Mapping[str, Session]) -> dict[str, Contender]:
    return {
        name: session_contender(session, request.image, effort=request.effort)
        for name, session in sessions.items()
    }


def _outputs(
    request: BenchRequest, session: Session, further: Mapping[str, Session], peers: Sequence[IsolatedPeer]
) -> dict[str, F32]:
    """Output of each run, (H, W, 3), 0..1; under REFERENCE the output with which all are compared."""
    height, width = (side * request.model.facts.scale for side in request.image.shape[:2])
    own = {
        name: sparse.run(request.image, effort=request.effort, out_dtype=np.float32).image
        for name, sparse in {SPARSE: session, **further}.items()
    } | {
        DENSE: session.run(request.image, dense=True, out_dtype=np.float32).image,
    }
    if session.precision == "fp32":
        own[REFERENCE] = own[DENSE]
    else:
        exact = Session(request.model, session.threads, "fp32")
        own[REFERENCE] = exact.run(request.image, dense=True, out_dtype=np.float32).image
    others = {peer.name: peer.run()[0].transpose(1, 2, 0)[:height, :width] for peer in peers}
    return {name: np.clip(image, 0, 1).astype(np.float32) for name, image in {**own, **others}.items()}


def _quality(request: BenchRequest, output: F32, own_dense: F32) -> dict[str, float | None]:
    """PSNR in dB: on RGB to our own dense fp32 output, and on luma to the HR reference if there is one."""
    error = float(np.mean((output.astype(np.float64) - own_dense) ** 2))
    found: dict[str, float | None] = {"psnr_to_own_dense_db": 10 * np.log10(1 / error) if error > 0 else None}
    if request.hr is not None:
        rounded = quantised(output, np.uint8)
        found["psnr_y_db"] = psnr_y(rounded, request.hr, request.model.facts.scale)
    return found


def _circumstances(request: BenchRequest, session: Session) -> dict[str, Any]:
    height, width = request.image.shape[:2]
    return {
        **asdict(this_machine()),
        "model": request.model.facts.name,
        "scale": request.model.facts.scale,
        "input": f"{width}x{height}",
        "threads": session.threads,
        "precision": session.precision,
        "precision_reason": session.precision_reason,
        "effort": request.effort,
        "rounds": request.rounds,
    }


def _totals(result: Benchmark) -> dict[str, Any]:
    return {
        "dense_ms": result.ms[DENSE],
        "sparse_ms": result.ms[SPARSE],
        "ideal_ms": result.ideal_ms,
        "speed_up": result.ms[DENSE] / result.ms[SPARSE],
        "saving_realised": result.saving_realised,
        "density": result.density,
        "macs": result.macs,
        "macs_dense": result.macs_dense,
        "map_bytes": result.map_bytes[SPARSE],
        "map_bytes_dense": result.map_bytes[DENSE],
        "waits": asdict(result.waits),
        "peak_gflops": result.peak_gflops,
        "sparse_peak_share": result.peak_share(SPARSE),
        "dense_peak_share": result.peak_share(DENSE),
    }


def _fastest(
    result: Benchmark, sessions: Mapping[str, Session], peers: Sequence[IsolatedPeer]
) -> dict[str, Any] | None:
    """Our fastest sparse run beside the fastest peer, each in its best precision; None without peers."""
    if not peers:
        return None
    own = min((SPARSE, *sessions), key=lambda name: result.ms[name])
    peer = min((peer.name for peer in peers), key=lambda name: result.ms[name])
    return {"sparse": own, "peer": peer, "sparse_is_faster_by": result.ms[peer] / result.ms[own]}


def _precision_record(
    name: str, session: Session, result: Benchmark, quality: dict[str, float | None]
) -> dict[str, Any]:
    return {
        "name": name,
        "precision": session.precision,
        "ms": result.ms[name],
        "faster_than_fp32_by": result.ms[SPARSE] / result.ms[name],
        "quality": quality,
    }


def _peer_record(peer: IsolatedPeer, result: Benchmark, quality: dict[str, float | None]) -> dict[str, Any]:
    ms = result.ms[peer.name]
    return {
        "name": peer.name,
        "precision": peer.precision,
        "mode": peer.mode,
        "ms": ms,
        "sparse_is_faster_by": ms / result.ms[SPARSE],
        "dense_is_faster_by": ms / result.ms[DENSE],
        "quality": quality,
    }
