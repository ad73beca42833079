"""``--peers``: the known runtimes, including torch, which the lab provides."""

from __future__ import annotations

from sparsesr.errors import UsageError
from sparsesr.measure.peers.runtimes import RUNTIMES, PeerRuntime

TORCH = PeerRuntime("torch", "sparsesr.lab.evaluate.torch_peer", ("torch",))
PEERS = {runtime.name: runtime for runtime in (TORCH, *RUNTIMES)}


def parse_peers(text: str) -> list[PeerRuntime]:
    """``torch,openvino`` -> runtimes.

    Raises:
        UsageError: a name is unknown.
        BackendError: a runtime or one of its dependencies is not installed.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = next((name for name in names if name not in PEERS), None)
    if unknown is not None:
        raise UsageError(f"--peers: {unknown!r} is unknown; choose from {', '.join(PEERS)}")
    runtimes = [PEERS[name] for name in names]
    for runtime in runtimes:
        runtime.check_installed()
    return runtimes
