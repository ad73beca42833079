"""Peers in processes of their own.

Each runtime has its own threads, allocator and libraries, as in a program that uses only this runtime. Processes are
spawned, not forked, so that they inherit nothing that we have loaded. Between its turns a process is stopped: threads
of some runtimes spin for a while after a run, and would slow whatever runs next.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, cast

import numpy.typing as npt

from sparsesr.errors import BackendError, SparsesrError
from sparsesr.measure.peers.peer import Peer
from sparsesr.measure.peers.runtimes import PeerRuntime, open_peers
from sparsesr.modelfile.spec import ModelFile

Opener = Callable[[], list[Peer]]
_ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
"""Makes glibc keep freed memory. By default every map that an eager runtime frees is returned to the system, and its
operations wait for new pages: torch in fp32 took 1.9 times as long."""


@dataclass(frozen=True)
class IsolatedPeer(Peer):
    """A peer in a process of its own."""

    work: Callable[[], object]
    """A run whose result stays in the process; this is timed."""


@contextmanager
def isolated_peers(
    runtimes: Sequence[PeerRuntime], model: ModelFile, image: npt.NDArray[Any], threads: int
) -> Generator[list[IsolatedPeer], None, None]:
    """Open the peers of :func:`sparsesr.measure.peers.runtimes.open_peers`, each runtime in its own process."""
    openers = {runtime.name: partial(open_peers, [runtime], model, image, threads) for runtime in runtimes}
    with open_isolated(openers) as peers:
        yield peers


@contextmanager
def open_isolated(openers: Mapping[str, Opener]) -> Generator[list[IsolatedPeer], None, None]:
    """Call each opener in a process of its own; the processes end with the block.

    Args:
        openers: picklable openers, by the name for error messages.

    Raises:
        BackendError: a process died, here or later when its peer is run.
        SparsesrError: a runtime refused the model.
    """
    with ExitStack() as stack:
        groups = [stack.enter_context(_opened(name, opener)) for name, opener in openers.items()]
        yield [peer for group in groups for peer in group]


@contextmanager
def _opened(name: str, opener: Opener) -> Generator[list[IsolatedPeer], None, None]:
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs, name, opener), daemon=True)
    with _environment(_ALLOCATOR):
        process.start()
    theirs.close()
    remote = _RemotePeers(name, ours, process)
    try:
        yield [
            IsolatedPeer(
                peer, precision, mode, partial(remote.run, index, True), partial(remote.run, index, False)
            )
            for index, (peer, precision, mode) in enumerate(remote.receive())
        ]
    finally:
        process.kill()  # it holds no state that needs an orderly end
        process.join()
        ours.close()


@contextmanager
def _environment(values: Mapping[str, str]) -> Generator[None, None, None]:
    """Set variables for processes that start within the block, keeping those that are set already."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


class _RemotePeers:
    """Our end of the connection to a process."""

    def __init__(self, name: str, connection: Connection, process: SpawnProcess) -> None:
        self._name, self._connection, self._process = name, connection, process

    def run(self, index: int, wants_result: bool) -> Any:
        """Run a peer in the process; returns None unless the result is wanted."""
        self._signal("SIGCONT")
        try:
            self._connection.send((index, wants_result))
        except OSError as error:
            raise self._death() from error
        return self.receive()

    def receive(self) -> Any:
        """Receive a message from the process, and stop it until the next run; raises the message if it is an error."""
        try:
            message = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if isinstance(message, SparsesrError):
            raise message
        self._signal("SIGSTOP")
        return message

    def _signal(self, name: str) -> None:
        """Send a signal to the process if it lives and the system has such signals."""
        if self._process.pid is not None and hasattr(signal, name):
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, getattr(signal, name))

    def _death(self) -> BackendError:
        self._process.join()
        return BackendError(
            f"the peer {self._name}: its process ended with status {self._process.exitcode},"
            " possibly out of memory",
            remedy="leave it out, or use a smaller image",
        )


def _serve(connection: Connection, name: str, opener: Opener) -> None:
    """Body of the process: open the peers, then run them on request until the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    try:
        peers = opener()
        connection.send([(peer.name, peer.precision, peer.mode) for peer in peers])
        while True:
            index, wants_result = cast("tuple[int, bool]", connection.recv())
            result = peers[index].run()
            connection.send(result if wants_result else None)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent has closed the connection
    except SparsesrError as error:
        connection.send(error)
    except Exception as error:
        what = f"the peer {name}: {' '.join(str(error).split())}"
        connection.send(BackendError(what, remedy="leave it out"))
