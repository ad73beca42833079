"""Refusal of libvips in a forked child of a process that has used it.

The child inherits libvips' list of threads without the threads, and would wait for them for ever. libvips has no way
to start again; its authors advise to use it only after the fork, or to start processes afresh
(https://github.com/libvips/ruby-vips/issues/396).
"""

from __future__ import annotations

import os
from pathlib import Path

from sparsesr.errors import BackendError

_THREAD_NAME = "libvips worker"
_TASKS = Path("/proc/self/task")
_was_used = False
"""True once this process, or one that it was forked from, has used libvips."""
_is_lost = False
"""True in a child that was forked after that."""


def is_lost() -> bool:
    """True if this process cannot use libvips."""
    return _is_lost


def claim() -> None:
    """Call before any use of libvips that may compute pixels.

    Raises:
        BackendError: this process was forked from one that had used libvips.
    """
    global _was_used
    if _is_lost:
        raise BackendError(
            "images cannot be read or written in this process: it was forked from one that had already done so",
            remedy="start it with multiprocessing's 'spawn' or 'forkserver', or fork before the first image",
        )
    _was_used = True


def _has_threads() -> bool:
    """True if libvips threads exist, which other code of this program may have started."""
    try:
        return any(_name_of(task) == _THREAD_NAME for task in _TASKS.iterdir())
    except OSError:  # not Linux
        return False


def _name_of(task: Path) -> str:
    try:
        return (task / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # the thread has just ended
        return ""


def _before_fork() -> None:
    global _was_used
    _was_used = _was_used or _has_threads()


def _in_child() -> None:
    global _is_lost
    _is_lost = _was_used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
