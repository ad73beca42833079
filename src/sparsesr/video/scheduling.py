"""The scheduling of threads, which an encoder must not change."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_THREADS = Path("/proc/self/task")


@contextmanager
def unchanged_scheduling() -> Generator[None, None, None]:
    """Undo what the block does to the scheduling of threads, those that it starts included.

    Run by root, SVT-AV1 gives its threads and the one that opens it the highest real-time priority. Nothing else then
    runs on their processors, and programs started later inherit it.
    """
    if not hasattr(os, "sched_setscheduler") or not _THREADS.is_dir():
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread in (int(path.name) for path in _THREADS.iterdir()):
            try:
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, parameters)
            except ProcessLookupError:  # it has ended
                continue
