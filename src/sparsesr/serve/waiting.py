"""Waiting for a task of a lane; a client that leaves cancels it."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request

from sparsesr.errors import CancelledError
from sparsesr.serve.lane import Lane, Task


async def outcome_of(task: Task, lane: Lane, request: Request) -> Any:
    """The result of a task.

    Raises:
        CancelledError: the client left; the task is cancelled, and its result dropped.
        SparsesrError: what the task raised.
    """
    done = asyncio.ensure_future(asyncio.wrap_future(task.outcome))
    left = asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait((done, left), return_when=asyncio.FIRST_COMPLETED)
        if done.done():
            return done.result()
        raise CancelledError("the client left")
    except BaseException:
        lane.cancel(task)
        task.drop_outcome()
        raise
    finally:
        left.cancel()
        done.add_done_callback(_look_at)


async def _departure(request: Request) -> None:
    """Return when the client has closed the connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _look_at(future: asyncio.Future[Any]) -> None:
    """Nobody waits for this outcome any more; without a look, asyncio would complain."""
    if not future.cancelled():
        future.exception()
