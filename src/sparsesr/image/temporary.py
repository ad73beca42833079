"""Temporary files beside outputs: locked while they are written, so that those of killed processes can be told."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

_PREFIX, _SUFFIX = ".sparsesr-", ".tmp"
_cleaned: set[tuple[int, str]] = set()
"""Folders that this process has searched for stale files, by process id: a child process searches again."""


def create_temporary(folder: Path) -> tuple[Path, int]:
    """A new file in ``folder`` and its descriptor, which holds the lock. OSError if that is impossible."""
    while True:
        path = folder / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # a file system without locks, where no file is ever taken as stale
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink > 0:
            return path, descriptor
        os.close(descriptor)  # another process took it as stale before it was locked


def remove_stale(folder: Path, *, even_again: bool = False) -> None:
    """Remove what killed processes have left in ``folder``; once per process and folder, unless ``even_again``."""
    key = os.getpid(), os.fspath(folder)
    if key in _cleaned and not even_again:
        return
    _cleaned.add(key)
    with suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX):
                with suppress(OSError):
                    _remove_unless_locked(Path(entry.path))


def _remove_unless_locked(path: Path) -> None:
    """Remove a file; OSError if a process holds its lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)
