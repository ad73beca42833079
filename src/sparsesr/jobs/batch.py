"""Batches: many files in sequence; a failing file does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, LimitError, SparsesrError, Wording, unexpected
from sparsesr.image.source import printable
from sparsesr.image.temporary import remove_stale
from sparsesr.jobs.files import FileResult, WriteOptions, upscale_file
from sparsesr.jobs.journal import Journal


@dataclass(frozen=True)
class Skipped:
    """A file that needed no work."""

    reason: str


Attempt = FileResult | SparsesrError
"""A result, or why there is none."""
Outcome = Attempt | Skipped
Watch = Callable[[Path], AbstractContextManager[RunOptions]]
"""Maps a file to its run options; the context stays open while the file is processed."""


def upscale_files(
    upscaler: Upscaler,
    targets: Mapping[Path, Path],
    write_options: WriteOptions,
    watch: Watch,
    *,
    skip_existing: bool = False,
    journal: Journal | None = None,
) -> Iterator[tuple[Path, Path, Outcome]]:
    """Upscale inputs to outputs; yield (input, output, outcome). Stops after a CancelledError.

    ``skip_existing``: outputs that exist are taken as done. What an interrupted batch with the same ``journal`` has
    done is not done again.
    """
    for folder in {target.parent for target in targets.values()}:
        remove_stale(folder)
    outcome: Outcome | None = None
    for source, target in targets.items():
        outcome = _skipped(source, target, skip_existing, journal)
        if outcome is None:
            if journal is not None:
                journal.begin(source, target)
            outcome = attempt_file(upscaler, source, target, write_options, watch)
            if journal is not None and isinstance(outcome, SparsesrError):
                journal.forget(target)
        yield source, target, outcome
        if isinstance(outcome, CancelledError):
            break
    if journal is not None:
        journal.close(is_complete=not isinstance(outcome, CancelledError))


def _skipped(source: Path, target: Path, skip_existing: bool, journal: Journal | None) -> Skipped | None:
    if journal is not None and journal.is_done(source, target):
        return Skipped("done before the interruption")
    return existing(source, target) if skip_existing else None


def existing(source: Path, target: Path) -> Skipped | None:
    """The outcome if an output that exists is taken as done; None if there is none."""
    try:
        size, made = target.stat().st_size, target.stat().st_mtime
        changed = source.stat().st_mtime
    except (OSError, ValueError):
        return None
    if size == 0:  # no image, and never one of ours; writing reports that the file exists
        return None
    return Skipped("exists, but is older than the input" if changed > made else "exists")


def attempt_file(
    upscaler: Upscaler, source: Path, target: Path, write_options: WriteOptions, watch: Watch
) -> Attempt:
    """Upscale a file of a batch; any exception becomes an error that names it."""

    def work() -> FileResult:
        with watch(source) as options:
            return upscale_file(upscaler, source, target, options, write_options)

    outcome = attempted(work, printable(source))
    return _in_batch(outcome) if isinstance(outcome, SparsesrError) else outcome


def attempted(work: Callable[[], FileResult], name: str) -> Attempt:
    """The outcome of the work on the input ``name``: its result, or any exception as an error that names it."""
    try:
        return work()
    except SparsesrError as error:
        return located(error, name)
    except MemoryError:
        return LimitError("not enough memory", where=name, remedy="free some memory, or shrink the image")
    except Exception as error:
        return unexpected(error, name)


def located(error: SparsesrError, name: str) -> SparsesrError:
    """The error, located at the input ``name`` unless it already has a location."""
    error.where = error.where or name
    return error


def _in_batch(error: SparsesrError) -> SparsesrError:
    """The error, with the remedy that only batches have."""
    if error.asks_for("overwrite"):
        error.remedy = Wording("pass {}, {} or another {}", "overwrite", "skip_existing", "output")
    return error
