"""``Journal``: which results of a batch were begun or done, so that the same command finishes it if interrupted.

A result that is noted as done counts as long as the file is as it was then: another command may have written it since.
A process may be killed between a result and its note, so one that was only begun counts if the file is no longer what
was there before (nothing, or an older file): a result appears complete or not at all. The journal is a hidden file in
the folder of the results, so that it survives with them; it is removed when the batch ends by itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from sparsesr.jobs.json_lines import append_lines, read_lines
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS
from sparsesr.modelfile.spec import ModelFile

State = list[int] | None
"""Size in bytes and time of change in ns of a file; None if there is none."""
_NO_GAINS: Mapping[str, float] = {}


class Journal:
    """Notes of one batch; a folder that cannot be written makes it a journal that forgets."""

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], gains: Mapping[str, float] = _NO_GAINS
    ) -> None:
        """Open the journal in ``folder`` of the batch with these settings, on which its results depend.

        ``gains``: by which ``auto`` chooses a precision.
        """
        self._folder = folder
        self._path = folder / f".sparsesr-job-{digest_of(settings)}.jsonl"
        self._noted, self.spent, noted_gains = _read(self._path)
        self.gains = noted_gains or dict(gains)
        """Those of the interrupted batch, if there was one."""
        self._knows_gains = self.gains == noted_gains

    def is_done(self, source: Path, target: Path) -> bool:
        """True if an interrupted batch has written ``target`` from ``source`` as it is now."""
        entry = self._noted.get(self._name(target), {})
        if "source" not in entry or entry["source"] != state_of(source):
            return False
        is_done = "after" in entry
        return is_result(state_of(target), entry.get("after" if is_done else "before"), is_done=is_done)

    def begin(self, source: Path, target: Path) -> None:
        """Note, before any work, that ``target`` is about to be written."""
        if not self._knows_gains:
            self._write({"gains": self.gains})
            self._knows_gains = True
        self._append({"target": self._name(target), "source": state_of(source), "before": state_of(target)})

    def done(self, target: Path) -> None:
        """Note that ``target``, which was begun, has been written."""
        begun = self._noted[self._name(target)]
        entry = {"target": begun["target"], "source": begun["source"], "after": state_of(target)}
        self._append(entry, is_synced=False)  # without this line, what was begun is judged by what was before

    def forget(self, target: Path) -> None:
        """Note that ``target`` could not be written."""
        self._append({"target": self._name(target)})

    def spend(self, total: float) -> None:
        """Note how much of the batch's budget has been spent in all; :attr:`spent` after an interruption."""
        self.spent = total
        self._write({"spent": total})

    def close(self, *, is_complete: bool) -> None:
        """Remove the journal if nothing remains to be done, or nothing has been done yet."""
        if is_complete or not any("source" in entry for entry in self._noted.values()):
            with suppress(OSError):
                self._path.unlink()

    def _name(self, target: Path) -> str:
        return os.path.relpath(target, self._folder)

    def _append(self, entry: dict[str, Any], *, is_synced: bool = True) -> None:
        self._noted[entry["target"]] = entry
        self._write(entry, is_synced=is_synced)

    def _write(self, entry: dict[str, Any], *, is_synced: bool = True) -> None:
        with suppress(OSError):
            append_lines(self._path, [entry], is_synced=is_synced)


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


def is_result(now: State, noted: State, *, is_done: bool) -> bool:
    """True if a file in the state ``now`` is the result of a batch.

    ``noted``: its state when it was done; of a result that was only begun, that of what was there before.
    """
    return now is not None and (now == noted if is_done else now != noted)


def gains_in(line: Mapping[str, Any]) -> dict[str, float]:
    """The gain of each precision that a line states; none if it states none."""
    stated = line.get("gains")
    if not isinstance(stated, dict):
        return {}
    found = {each: cast("Any", stated).get(each) for each in REDUCED_PRECISIONS}
    return {each: float(gain) for each, gain in found.items() if isinstance(gain, (int, float))}


def _read(path: Path) -> tuple[dict[str, dict[str, Any]], float, dict[str, float]]:
    """The latest entry of each target, what was spent, and the gains."""
    noted: dict[str, dict[str, Any]] = {}
    spent, gains = 0.0, dict[str, float]()
    for entry in read_lines(path):
        if isinstance(entry.get("target"), str):
            noted[entry["target"]] = entry
        if isinstance(entry.get("spent"), (int, float)):
            spent = float(entry["spent"])
        gains = gains_in(entry) or gains
    return noted, spent, gains
