"""Finished parts of a result, kept beside it under a journal, so that a run that was interrupted can be resumed.

A segment is a file of encoded packets. Its line in the journal is written when the file is complete and on the disk; a
line that was cut short, or a file that does not match its line, does not count, and neither does what follows.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from sparsesr.errors import InputError, UsageError, Wording
from sparsesr.image.destination import write_error
from sparsesr.image.source import printable
from sparsesr.jobs.json_lines import append_lines

_JOURNAL = "journal.jsonl"


PacketFacts = tuple[int, int, bool]
"""Size in bytes, time of display, and whether it is a key frame."""


@dataclass(frozen=True)
class Segment:
    """A finished segment."""

    packets: tuple[PacketFacts, ...]
    """In the order of decoding."""
    last_duration: int
    """Duration of the last frame."""
    sha256: str
    computed_px: int
    """Pixels of the input that the network ran over."""
    corrected: int = 0
    """Time stamps that were corrected."""
    notes: tuple[str, ...] = ()
    deviation_levels: float | None = None
    """Largest measured deviation of kept pixels, in levels of 255."""

    @property
    def frames(self) -> int:
        """Number of frames; one packet each."""
        return len(self.packets)


class Segments:
    """The folder of the segments of one output, locked while it is used."""

    def __init__(self, output: Path, settings: Mapping[str, Any]) -> None:
        target = Path(os.path.realpath(output))
        digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]
        self.folder = target.parent / f".sparsesr-video-{digest}"
        self.done: list[Segment] = []
        self._name, self._settings = printable(output), dict(settings)

    @property
    def frames(self) -> int:
        """Frames of finished segments."""
        return sum(segment.frames for segment in self.done)

    @contextmanager
    def opened(self, *, resume: bool, overwrite: bool) -> Generator[None, None, None]:
        """Lock the folder, and read what an interrupted run has finished if it is to be resumed.

        Afterwards the folder is removed if no segment is finished.

        Raises:
            InputError: another run uses it, it was left by an interrupted run and neither ``resume`` nor
                ``overwrite`` says what to do with that, or it cannot be written.
            UsageError: the interrupted run had other settings or another input.
        """
        descriptor = self._locked_journal()
        try:
            self._take_over(descriptor, resume, overwrite)
            yield
        finally:
            if not self.done:
                self.remove()
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the folder with all segments."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def writing(self) -> Generator[BinaryIO, None, None]:
        """The file of the next segment; it counts once :meth:`add` was called."""
        try:
            with self._path(len(self.done)).open("wb") as file:
                yield file
        except OSError as error:
            raise write_error(self.folder, error) from None

    def add(self, segment: Segment) -> None:
        """Note that the segment just written is finished."""
        try:
            with self._path(len(self.done)).open("rb") as file:
                os.fsync(file.fileno())
            self._append(asdict(segment))
        except OSError as error:
            raise write_error(self.folder, error) from None
        self.done.append(segment)

    def packets(self) -> Generator[tuple[bytes, int, bool], None, None]:
        """Data, time of display and key-frame flag of all packets."""
        for index, segment in enumerate(self.done):
            with self._path(index).open("rb") as file:
                for size, pts, is_key in segment.packets:
                    yield file.read(size), pts, is_key

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:06}.packets"

    def _locked_journal(self) -> int:
        """A descriptor of the journal, which holds the lock."""
        while True:
            try:
                self.folder.mkdir(exist_ok=True)
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                descriptor = os.open(self.folder / _JOURNAL, flags, 0o666)
            except OSError as error:
                raise write_error(self.folder, error) from None
            self._lock(descriptor)
            if os.fstat(descriptor).st_nlink > 0:
                return descriptor
            os.close(descriptor)  # another run has just finished and removed it

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InputError(
                "is being written by another run",
                where=self._name,
                remedy=Wording("wait for it, or choose another {}", "output"),
            ) from None
        except OSError:  # a file system without locks
            return

    def _take_over(self, descriptor: int, resume: bool, overwrite: bool) -> None:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            lines = file.read().splitlines()
        found = _objects(lines)
        finished = self._finished(found[1:])
        if finished and not (resume or overwrite):
            raise self._left_over(finished)
        if finished and resume:
            self._check_settings(found[0])
            self.done = finished
        self._rewrite(descriptor)

    def _left_over(self, finished: list[Segment]) -> InputError:
        self.done = finished  # so that they are not removed
        frames = sum(segment.frames for segment in finished)
        return InputError(
            f"an interrupted run has left {frames} finished frames",
            where=self._name,
            remedy=Wording("pass {} to go on, or {} to begin again", "resume", "overwrite"),
        )

    def _check_settings(self, before: Mapping[str, Any]) -> None:
        now = cast("dict[str, Any]", json.loads(json.dumps(self._settings)))
        different = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        if different:
            self.done = [Segment((), 0, "", 0)]  # so that they are not removed
            key = different[0]
            raise UsageError(
                f"the interrupted run had {key.replace('_', ' ')} {before.get(key)}, not {now.get(key)}",
                where=self._name,
                remedy=Wording(
                    "use the same input and options, or {} without {} to begin again", "overwrite", "resume"
                ),
            )

    def _rewrite(self, descriptor: int) -> None:
        """Write the journal anew, with what counts, and remove other segments."""
        try:
            for stale in self.folder.glob("*.packets"):
                if stale not in {self._path(index) for index in range(len(self.done))}:
                    stale.unlink()
            os.ftruncate(descriptor, 0)
            for entry in (self._settings, *map(asdict, self.done)):
                self._append(entry)
        except OSError as error:
            raise write_error(self.folder, error) from None

    def _append(self, entry: Mapping[str, Any]) -> None:
        append_lines(self.folder / _JOURNAL, [dict(entry)])

    def _finished(self, entries: list[dict[str, Any]]) -> list[Segment]:
        finished: list[Segment] = []
        for index, entry in enumerate(entries):
            with suppress(KeyError, TypeError, ValueError, OSError):
                lists: dict[str, Any] = {
                    "packets": tuple((size, pts, is_key) for size, pts, is_key in entry["packets"]),
                    "notes": tuple(entry["notes"]),
                }
                segment = Segment(**{**entry, **lists})
                if hashlib.sha256(self._path(index).read_bytes()).hexdigest() == segment.sha256:
                    finished.append(segment)
                    continue
            break
        return finished


def _objects(lines: list[bytes]) -> list[dict[str, Any]]:
    """The lines that are JSON objects, up to the first that is none; at least the settings."""
    objects: list[dict[str, Any]] = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            break
        if not isinstance(entry, dict):
            break
        objects.append(cast("dict[str, Any]", entry))
    return objects or [{}]
