"""``Manifest``: what became of each file of a batch, one JSON object a line, so that the batch can be resumed.

Unlike the journal of ``upscale`` (:mod:`sparsesr.jobs.journal`) it also knows old results of this batch, which may be
replaced, and it stays as a report. Only the coordinator writes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsesr import __version__
from sparsesr.cluster.items import Done, Item
from sparsesr.errors import SparsesrError, UsageError, Wording
from sparsesr.image.destination import write_error
from sparsesr.image.source import printable
from sparsesr.jobs.batch import Skipped
from sparsesr.jobs.journal import State, digest_of, gains_in, is_result, state_of
from sparsesr.jobs.json_lines import append_lines, read_lines
from sparsesr.jobs.record import names

NAME = "sparsesr-batch.jsonl"
_BEGUN, _DONE, _FAILED, _SKIPPED = "begun", "done", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class _Entry:
    """The last that is known about a target."""

    state: str
    source: str
    source_state: State
    settings: str
    target_state: State
    """Done: of the result. Otherwise what was there before."""
    is_ours: bool
    """Whether that was a result of this batch."""


class Manifest:
    """The manifest in the folder of the results."""

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], gains: Mapping[str, float] | None = None
    ) -> None:
        """Open the manifest of a batch with these settings, on which its results depend.

        ``gains``: by which ``auto`` chooses a precision.

        Raises:
            InputError: it cannot be written.
        """
        self.path = folder / NAME
        self._folder = folder
        self._digest = digest_of(settings)
        self._known: dict[str, _Entry] = {}
        self._settings = dict(settings)
        self.gains = dict(gains or {})
        """Once resumed: those of an earlier batch with the same settings, if there was one."""

    def begin_anew(self, *, may_replace: bool) -> None:
        """Start an empty manifest; UsageError if there is one already, unless ``may_replace``."""
        if self.path.exists() and not may_replace:
            raise UsageError(
                "is the manifest of an earlier batch",
                where=printable(self.path),
                remedy=Wording("pass {} to continue it, or {}", "resume", "overwrite"),
            )
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(self.path, error) from None
        self._write_head()

    def resume(self) -> None:
        """Read what an earlier batch with these or other settings has done."""
        for line in read_lines(self.path):
            self._known.update(_entry_of(line))
            if line.get("settings") == self._digest:
                self.gains = gains_in(line) or self.gains
        self._write_head()

    def past(self, source: Path, target: Path) -> Skipped | bool:
        """Skipped if the batch has written ``target`` from ``source`` as it is now; else whether it may be replaced.

        It may if it is a result of this batch, of other settings or an older input.
        """
        entry = self._known.pop(self._name(target), None)
        if entry is None:
            return False
        now = state_of(target)
        is_ours = is_result(now, entry.target_state, is_done=entry.state == _DONE)
        if entry.state in (_FAILED, _SKIPPED) or not is_ours:
            return now is not None and entry.is_ours and entry.target_state == now
        is_current = entry.settings == self._digest and entry.source == source.name
        return Skipped("done earlier") if is_current and entry.source_state == state_of(source) else True

    def begin(self, items: Iterable[Item]) -> None:
        """Note, before any work and on the disk, that these files are about to be written."""
        self._append((self._line(_BEGUN, item) for item in items), is_synced=True)

    def done(self, item: Item, done: Done) -> None:
        """Note a result."""
        self._append([{**self._line(_DONE, item), "output_state": done.target_state, "ours": True}])

    def failed(self, item: Item, error: SparsesrError) -> None:
        """Note a failure."""
        failure = {"code": error.code, "message": str(error)}
        self._append([{**self._line(_FAILED, item), "error": failure}])

    def skipped(self, item: Item, skipped: Skipped) -> None:
        """Note a file that was skipped because its output exists."""
        self._append([{**self._line(_SKIPPED, item), "reason": skipped.reason}])

    def _name(self, target: Path) -> str:
        return os.path.relpath(target, self._folder)

    def _line(self, state: str, item: Item) -> dict[str, Any]:
        return {
            "state": state,
            **names(input=item.source, output=self._name(item.target)),
            "input_state": item.source_state,
            "output_state": item.target_state,
            "ours": item.replaces,
            "settings": self._digest,
        }

    def _write_head(self) -> None:
        head: dict[str, Any] = {"sparsesr": __version__, "settings": self._digest, "values": self._settings}
        self._append([{**head, "gains": self.gains}], is_synced=True)

    def _append(self, lines: Iterable[dict[str, Any]], *, is_synced: bool = False) -> None:
        try:
            append_lines(self.path, lines, is_synced=is_synced)
        except OSError as error:
            raise write_error(self.path, error) from None


def _name_in(line: dict[str, Any], key: str) -> str:
    exact = line.get(f"{key}_bytes")
    return os.fsdecode(bytes.fromhex(exact)) if isinstance(exact, str) else str(line[key])


def _entry_of(line: dict[str, Any]) -> dict[str, _Entry]:
    """The entry of a line by its target; none for heads, and for lines that are damaged or of other programs."""
    try:
        entry = _Entry(
            line["state"],
            Path(_name_in(line, "input")).name,
            line["input_state"],
            line["settings"],
            line["output_state"],
            bool(line["ours"]),
        )
        return {_name_in(line, "output"): entry}
    except (KeyError, ValueError):
        return {}
