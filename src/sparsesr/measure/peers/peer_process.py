"""Each runtime in a process of its own.

Each has its threads, its allocator and its libraries to itself, as a program that uses only this runtime. Processes
are started anew, not forked, so that nothing that we have loaded is theirs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
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
"""For glibc: keep what is freed. Else every map that an eager runtime frees goes back to the system, and its operations
wait for new pages: torch in fp32 took 1.9 times as long."""


@dataclass(frozen=True)
class ApartPeer(Peer):
    """A peer in a process of its own."""

    work: Callable[[], object]
    """A run whose result stays there: what is timed."""


@contextmanager
def peers_apart(
    runtimes: Sequence[PeerRuntime], model: ModelFile, image: npt.NDArray[Any], threads: int
) -> Generator[list[ApartPeer], None, None]:
    """The peers of :func:`sparsesr.measure.peers.runtimes.open_peers`, as :func:`opened_apart` opens them."""
    openers = {runtime.name: partial(open_peers, [runtime], model, image, threads) for runtime in runtimes}
    with opened_apart(openers) as peers:
        yield peers


@contextmanager
def opened_apart(openers: Mapping[str, Opener]) -> Generator[list[ApartPeer], None, None]:
    """Call each opener in a process of its own; the processes end with the block.

    Args:
        openers: by the name that errors are to mention; they travel to the process by pickling.

    Raises:
        BackendError: a process ended, here or later when its peer is run.
        SparsesrError: a runtime refused the model.
    """
    with ExitStack() as stack:
        groups = [stack.enter_context(_opened(name, opener)) for name, opener in openers.items()]
        yield [peer for group in groups for peer in group]


@contextmanager
def _opened(name: str, opener: Opener) -> Generator[list[ApartPeer], None, None]:
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs, name, opener), daemon=True)
    with _environment(_ALLOCATOR):
        process.start()
    theirs.close()
    line = _Line(name, ours, process)
    try:
        yield [
            ApartPeer(peer, precision, mode, partial(line.ask, index, True), partial(line.ask, index, False))
            for index, (peer, precision, mode) in enumerate(line.answer())
        ]
    finally:
        process.kill()  # nothing that it holds is worth waiting for
        process.join()
        ours.close()


@contextmanager
def _environment(values: Mapping[str, str]) -> Generator[None, None, None]:
    """For processes that start within the block; what is set already stays."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


class _Line:
    """Our end of the line to a process."""

    def __init__(self, name: str, connection: Connection, process: SpawnProcess) -> None:
        self._name, self._connection, self._process = name, connection, process

    def ask(self, index: int, wants_result: bool) -> Any:
        """Have a peer run."""
        try:
            self._connection.send((index, wants_result))
        except OSError as error:
            raise self._gone() from error
        return self.answer()

    def answer(self) -> Any:
        """What the process says; its errors are raised."""
        try:
            said = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        if isinstance(said, SparsesrError):
            raise said
        return said

    def _gone(self) -> BackendError:
        self._process.join()
        return BackendError(
            f"the peer {self._name}: its process ended with status {self._process.exitcode},"
            " perhaps for want of memory",
            remedy="leave it out, or take a smaller image",
        )


def _serve(connection: Connection, name: str, opener: Opener) -> None:
    """In the process: open the peers, then run them as asked until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    try:
        peers = opener()
        connection.send([(peer.name, peer.precision, peer.mode) for peer in peers])
        while True:
            index, wants_result = cast("tuple[int, bool]", connection.recv())
            result = peers[index].run()
            connection.send(result if wants_result else None)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody listens any more
    except SparsesrError as error:
        connection.send(error)
    except Exception as error:
        what = f"the peer {name}: {' '.join(str(error).split())}"
        connection.send(BackendError(what, remedy="leave it out"))
