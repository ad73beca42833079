"""Server-sent events about jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable

from sparsesr.serve.answers import JobAnswer
from sparsesr.serve.errors import UnknownIdError

_INTERVAL_S = 0.15
_HEARTBEAT_S = 10.0
_FINAL = ("done", "failed", "cancelled")


async def event_stream(
    ids: Iterable[str], describe: Callable[[str], JobAnswer], is_closing: Callable[[], bool]
) -> AsyncIterator[str]:
    """Yield a ``job`` event whenever a job has changed, ``gone`` for one that does not exist, and ``end`` at the end.

    Comments in between show an idle connection to be alive.
    """
    last: dict[str, str] = dict.fromkeys(ids, "")
    sent_at = time.monotonic()
    while last and not is_closing():
        for event in _changes(last, describe):
            sent_at = time.monotonic()
            yield event
        if time.monotonic() - sent_at > _HEARTBEAT_S:
            sent_at = time.monotonic()
            yield ": still here\n\n"
        if last:
            await asyncio.sleep(_INTERVAL_S)
    yield "event: end\ndata: {}\n\n"


def _changes(last: dict[str, str], describe: Callable[[str], JobAnswer]) -> list[str]:
    """Events for what differs from ``last``, which is brought up to date; jobs that are over leave it."""
    events: list[str] = []
    for job_id, before in list(last.items()):
        try:
            job = describe(job_id)
        except UnknownIdError:
            events.append(f'event: gone\ndata: {{"id": "{_plain(job_id)}"}}\n\n')
            del last[job_id]
            continue
        now = job.model_dump_json()
        if now != before:
            events.append(f"event: job\ndata: {now}\n\n")
            last[job_id] = now
        if job.state in _FINAL:
            del last[job_id]
    return events


def _plain(text: str) -> str:
    """Letters of an id: what a client sends must not become an event of its own."""
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c in "-_"))
