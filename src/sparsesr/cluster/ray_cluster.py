"""``RayCluster``: the calls of Ray that a batch needs. Nothing else imports Ray, whose types are too loose."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false, reportPrivateImportUsage=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sparsesr.cluster import ray_worker
from sparsesr.cluster.items import Item, Settings
from sparsesr.cluster.ray_address import require_token
from sparsesr.cluster.scout import Probe
from sparsesr.errors import BackendError, Parameter

__all__ = ["Actor", "Node", "RayCluster", "RayError", "Ref"]

Actor = Any
"""Handle of a worker."""
Ref = Any
"""A value to come, or, of files that a worker does, a stream of them."""
_STDERR = 2


@dataclass(frozen=True)
class Node:
    """A machine of the cluster."""

    key: str
    name: str
    """For messages."""
    threads: int


class RayCluster:
    """A connection to a running cluster."""

    def __init__(self, address: str) -> None:
        """Connect. BackendError if that fails, UsageError for a cluster that is open to others."""
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        # Ray prints messages of its daemons on standard output, between our records.
        setattr(ray._private.worker, "print_to_stdstream", lambda *_, **__: None)  # noqa: B010
        try:
            with _silent_errors(), _own_signals():
                ray.init(address=address, log_to_driver=False, configure_logging=False)
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            remedy = "check that it runs, and that both sides have the same RAY_AUTH_MODE and token"
            where = Parameter("address")
            raise BackendError(f"no connection ({reason})", where=where, remedy=remedy) from None
        try:
            require_token(ray.get_runtime_context().gcs_address.rpartition(":")[0])
        except Exception:
            ray.shutdown()
            raise
        self._cpu = os.environ.get("SPARSESR_CPU")

    def nodes(self) -> list[Node]:
        """The machines that are there now and have processors to offer."""
        return [
            Node(each["NodeID"], each["NodeManagerAddress"], int(each["Resources"].get("CPU", 0)))
            for each in ray.nodes()
            if each["Alive"] and each["Resources"].get("CPU", 0) >= 1
        ]

    def scout(self, node: Node, probe: Probe) -> Ref:
        """The :class:`Facts` of a machine, to come."""
        task = ray.remote(ray_worker.scout)
        placed = task.options(num_cpus=0, max_retries=0, scheduling_strategy=_only_on(node))
        return placed.remote(self._cpu, os.fspath(probe.path), probe.content, os.fspath(probe.source))

    def hire(self, node: Node, settings: Ref, threads: int) -> tuple[Actor, Ref]:
        """A new worker on a machine, and, to come, None when it is ready or an error."""
        actors = ray.remote(concurrency_groups={"control": 1})(ray_worker.RayWorker)
        actor = actors.options(
            num_cpus=threads, max_restarts=0, max_task_retries=0, scheduling_strategy=_only_on(node)
        ).remote(self._cpu)
        return actor, actor.open.remote(settings)

    def put(self, settings: Settings) -> Ref:
        """Send settings to the cluster once, for all workers that get them."""
        return ray.put(settings)

    def give(self, actor: Actor, chunk: Sequence[Item]) -> Ref:
        """Let a worker do files; the stream of its answers."""
        return actor.work.options(num_returns="streaming").remote(list(chunk))

    def wait(self, refs: Sequence[Ref], timeout_s: float) -> list[Ref]:
        """Those of which something has come; waits for the first."""
        if not refs:
            return []
        first, rest = ray.wait(list(refs), num_returns=1, timeout=timeout_s)
        more = ray.wait(rest, num_returns=len(rest), timeout=0)[0] if first and rest else []
        return [*first, *more]

    def value(self, ref: Ref) -> Any:
        """A value that has come. RayError if the worker or its machine was lost."""
        return ray.get(ref)

    def next_value(self, stream: Ref) -> Any:
        """The next value of a stream, of which one has come; None at its end. RayError as :meth:`value`."""
        try:
            return ray.get(next(stream))
        except StopIteration:
            return None

    def stop(self, actor: Actor) -> None:
        """Let a worker stop without finishing its files."""
        with suppress(RayError):
            actor.stop.options(concurrency_group="control").remote()

    def dismiss(self, actor: Actor) -> None:
        """End a worker at once."""
        with suppress(RayError, ValueError):
            ray.kill(actor)

    def close(self) -> None:
        """Disconnect; workers that are left end."""
        ray.shutdown()


@contextmanager
def _own_signals() -> Generator[None, None, None]:
    """Keep the handler of SIGTERM, which Ray replaces."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _silent_errors() -> Generator[None, None, None]:
    """Drop what Ray's native part writes to standard error until it has files for that: one line a second."""
    kept, null = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(null)


def _only_on(node: Node) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node.key, soft=False)
