"""A job in a process of its own, started afresh: for forked processes, in which libvips cannot be used.

The process inherits nothing; it gets the job as a pickle and returns its outcome. It cancels the job when this one
asks for that or ends.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from sparsesr.engine.execute import RunOptions
from sparsesr.errors import BackendError, SparsesrError, unexpected
from sparsesr.jobs.child_process import start_child

Result = TypeVar("Result")
Work = Callable[[RunOptions], Result]
_RELAYED = ("on_plan", "on_long_run", "progress")
"""Options whose calls the process passes on."""
_POLL_INTERVAL_S = 0.1


def run_afresh(work: Work[Result], options: RunOptions) -> Result:
    """Return ``work(options)``, computed in a new process; ``work`` and its result must be picklable.

    Raises:
        BackendError: the process could not be started, or died.
    """
    try:
        process, ours = start_child(__name__)
    except OSError as error:
        raise _refusal(f"cannot be started ({error.strerror})") from None
    with process:
        try:
            return _outcome(ours, work, options)
        except (EOFError, OSError):
            raise _refusal(f"ended with status {process.wait()}, possibly out of memory") from None
        finally:
            ours.close()  # ends the job, if it still runs


def _refusal(what: str) -> BackendError:
    return BackendError(
        f"this process was forked from one that had used libvips, and the separate one for the image {what}",
        remedy="start processes with multiprocessing's 'spawn' or 'forkserver', or fork before the first image",
    )


def _outcome(connection: Connection, work: Work[Result], options: RunOptions) -> Result:
    """Send the work, and pass on its messages until the outcome arrives."""
    wanted = [name for name in _RELAYED if getattr(options, name) is not None]
    connection.send((work, replace(options, **dict.fromkeys(_RELAYED), cancelled=None), wanted))
    is_cancelled = False
    while True:
        if not is_cancelled and options.cancelled is not None and options.cancelled():
            is_cancelled = True
            with suppress(OSError):  # it has just ended; its outcome is still to be read
                connection.send(None)
        if not connection.poll(_POLL_INTERVAL_S):
            continue
        kind, content = connection.recv()
        if kind == "error":
            raise content
        if kind == "result":
            return content
        getattr(options, kind)(*content)


def serve(number: int) -> None:
    """Body of the process: do the work that arrives through the descriptor ``number``, and send the outcome."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for us handles Ctrl-C
    connection = Connection(number)
    try:
        work, options, wanted = connection.recv()
        relays = {name: partial(_relay, connection, name) for name in wanted}
        # A message, or the end of the other process, cancels.
        connection.send(_done(work, replace(options, **relays, cancelled=connection.poll)))
    except (EOFError, OSError):
        return  # nobody waits any more


def _relay(connection: Connection, callback: str, *arguments: Any) -> None:
    connection.send((callback, arguments))


def _done(work: Work[Any], options: RunOptions) -> tuple[str, Any]:
    try:
        return "result", work(options)
    except (SparsesrError, MemoryError) as error:
        return "error", error
    except Exception as error:
        return "error", unexpected(error)
