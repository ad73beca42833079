"""``Journal``: which results of a batch were begun, so that the same command finishes it after an interruption.

A result appears complete or not at all. So a result that was begun, and that is no longer what was there before
(nothing, or an older file), is done. The journal is a hidden file in the folder of the results, so that it survives
with them; it is removed when the batch ends by itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sparsesr.jobs.json_lines import append_lines, read_lines
from sparsesr.modelfile.spec import ModelFile

State = list[int] | None
"""Size in bytes and time of change in ns of a file; None if there is none."""


class Journal:
    """Notes of one batch; a folder that cannot be written makes it a journal that forgets."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Open the journal in ``folder`` of the batch with these settings, on which its results depend."""
        self._folder = folder
        self._path = folder / f".sparsesr-job-{digest_of(settings)}.jsonl"
        self._begun, self.spent = _read(self._path)

    def is_done(self, source: Path, target: Path) -> bool:
        """True if an interrupted batch has written ``target`` from ``source`` as it is now."""
        begun = self._begun.get(self._name(target))
        if begun is None:
            return False
        now = state_of(target)
        return now is not None and now != begun.get("before") and begun.get("source") == state_of(source)

    def begin(self, source: Path, target: Path) -> None:
        """Note, before any work, that ``target`` is about to be written."""
        self._append({"target": self._name(target), "source": state_of(source), "before": state_of(target)})

    def forget(self, target: Path) -> None:
        """Note that ``target`` could not be written."""
        self._append({"target": self._name(target)})

    def spend(self, total: float) -> None:
        """Note how much of the batch's budget has been spent in all; :attr:`spent` after an interruption."""
        self.spent = total
        self._write({"spent": total})

    def close(self, *, is_complete: bool) -> None:
        """Remove the journal if nothing remains to be done, or nothing has been done yet."""
        if is_complete or not any("source" in entry for entry in self._begun.values()):
            with suppress(OSError):
                self._path.unlink()

    def _name(self, target: Path) -> str:
        return os.path.relpath(target, self._folder)

    def _append(self, entry: dict[str, Any]) -> None:
        self._begun[entry["target"]] = entry
        self._write(entry)

    def _write(self, entry: dict[str, Any]) -> None:
        with suppress(OSError):
            append_lines(self._path, [entry])


def common_folder(targets: Iterable[Path]) -> Path | None:
    """The deepest folder that holds all of these files; None if there is none."""
    try:
        return Path(os.path.commonpath({os.path.abspath(target.parent) for target in targets}))  # noqa: PTH100
    except (OSError, ValueError):  # the current folder was removed; no targets
        return None


def digest_of(settings: Mapping[str, Any]) -> str:
    """A short name for the settings of a batch."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def weights_digest(model: ModelFile) -> str:
    """A short name for the weights of a model: its name stays when another one is imported under it."""
    hashed = hashlib.sha256()
    for name in sorted(model.tensors):
        hashed.update(name.encode())
        hashed.update(model.tensors[name].tobytes())
    return hashed.hexdigest()[:12]


def state_of(path: Path) -> State:
    """The state of a file now."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return [found.st_size, found.st_mtime_ns]


def _read(path: Path) -> tuple[dict[str, dict[str, Any]], float]:
    """The latest entry of each target, and what was spent."""
    begun: dict[str, dict[str, Any]] = {}
    spent = 0.0
    for entry in read_lines(path):
        if isinstance(entry.get("target"), str):
            begun[entry["target"]] = entry
        if isinstance(entry.get("spent"), (int, float)):
            spent = float(entry["spent"])
    return begun, spent
