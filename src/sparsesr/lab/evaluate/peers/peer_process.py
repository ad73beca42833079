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
from typing import Any

import numpy.typing as npt

from sparsesr.errors import BackendError, Parameter, SparsesrError
from sparsesr.lab.evaluate.peers.peer import Peer, open_peers
from sparsesr.modelfile.spec import ModelFile

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
    names: Sequence[str], model: ModelFile, image: npt.NDArray[Any], threads: int
) -> Generator[list[ApartPeer], None, None]:
    """The peers of :func:`sparsesr.lab.evaluate.peers.peer.open_peers`; their processes end with the block.

    Raises:
        BackendError: a process ended, here or later when its peer is run.
        SparsesrError: a runtime refused the model.
    """
    with ExitStack() as stack:
        yield [
            peer
            for name in names
            for peer in stack.enter_context(_opened(name, (name, model, image, threads)))
        ]


@contextmanager
def _opened(name: str, task: tuple[Any, ...]) -> Generator[list[ApartPeer], None, None]:
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs, *task), daemon=True)
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
            f"{self._name}: its process ended with status {self._process.exitcode}, perhaps for want of memory",
            where=Parameter("peers"),
            remedy="leave it out, or take a smaller picture",
        )


def _serve(connection: Connection, *task: Any) -> None:
    """In the process: open one runtime, then run its peers as asked until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    name, *given = task
    try:
        peers = open_peers([name], *given)
        connection.send([(peer.name, peer.precision, peer.mode) for peer in peers])
        while True:
            index, wants_result = connection.recv()
            result = peers[index].run()
            connection.send(result if wants_result else None)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody listens any more
    except SparsesrError as error:
        connection.send(error)
    except Exception as error:
        connection.send(_refused(name, error))


def _refused(name: str, error: Exception) -> BackendError:
    what = f"{name}: {' '.join(str(error).split())}"
    return BackendError(what, where=Parameter("peers"), remedy="leave it out")
