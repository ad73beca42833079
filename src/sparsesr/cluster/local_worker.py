"""The process of a local worker: files in, answers out, through a pipe."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection

from sparsesr.cluster.items import Item
from sparsesr.cluster.workplace import Workplace
from sparsesr.errors import SparsesrError, unexpected


class _Inbox:
    """Chunks that have arrived. An empty one, or the end of the other process, means to stop."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._chunks: deque[Sequence[Item]] = deque()
        self._is_stopped = False

    def is_stopped(self) -> bool:
        """Take in what has arrived; True if the work is to stop."""
        while not self._is_stopped and self._connection.poll():
            self._receive()
        return self._is_stopped

    def next_chunk(self) -> Sequence[Item]:
        """Wait for files; none if the work is to stop."""
        while not self.is_stopped():
            if self._chunks:
                return self._chunks.popleft()
            self._receive()
        return ()

    def _receive(self) -> None:
        try:
            chunk = self._connection.recv()
        except (EOFError, OSError):
            chunk = ()
        self._is_stopped = not chunk
        self._chunks.append(chunk)


def serve(number: int) -> None:
    """Body of the process; ``number`` is the descriptor of its end of the pipe."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # the coordinator decides what they mean
    connection = Connection(number)
    try:
        _work(connection)
    except (EOFError, OSError):
        return  # nobody waits any more


def _work(connection: Connection) -> None:
    try:
        workplace = Workplace(connection.recv())
    except SparsesrError as error:
        return connection.send(error)
    except Exception as error:
        return connection.send(unexpected(error))
    connection.send(None)
    inbox = _Inbox(connection)
    while chunk := inbox.next_chunk():
        for item in chunk:
            connection.send([workplace.answer(item, inbox.is_stopped)])
            if inbox.is_stopped():
                return None
    return None
