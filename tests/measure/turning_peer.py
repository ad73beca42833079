"""A peer runtime that needs no package: it turns images upside down once, and twice."""

from __future__ import annotations

from sparsesr.measure.peers.peer import Peer, Task
from sparsesr.measure.peers.runtimes import PeerRuntime

TURNING = PeerRuntime("turning", "measure.turning_peer", ())


def open_peers(task: Task) -> list[Peer]:
    return [
        Peer("turning fp32", "fp32", f"{task.threads} thread", lambda: task.image[:, :, ::-1]),
        Peer("turning twice", "fp32", "none", lambda: task.image),
    ]
