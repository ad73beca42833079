"""Batches: many files in sequence; a failing file does not stop the others."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from pathlib import Path

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, SparsesrError, Wording, unexpected
from sparsesr.image.source import printable
from sparsesr.image.temporary import remove_stale
from sparsesr.jobs.files import FileResult, WriteOptions, upscale_file
from sparsesr.jobs.journal import Journal, state_of
from sparsesr.jobs.pacing import Attempt, Pacing


@dataclass(frozen=True)
class Skipped:
    """A file that needed no work."""

    reason: str


Outcome = Attempt | Skipped
Watch = Callable[[Path], AbstractContextManager[RunOptions]]
"""Maps a file to its run options; the context stays open while the file is processed."""
Arrivals = Callable[[], Mapping[Path, Path]]
"""Returns inputs, with their outputs, that were not there before."""


def upscale_files(
    upscaler: Upscaler,
    targets: Mapping[Path, Path],
    write_options: WriteOptions,
    watch: Watch,
    *,
    skip_existing: bool = False,
    journal: Journal | None = None,
    budget: Pacing | None = None,
    arrivals: Arrivals | None = None,
) -> Iterator[tuple[Path, Path, Outcome]]:
    """Upscale inputs to outputs; yield (input, output, outcome). Stops after a CancelledError.

    ``skip_existing``: outputs that exist are taken as done. What an interrupted batch with the same ``journal`` has
    done is not done again. ``budget`` chooses the effort of each image, see :class:`BatchBudget`; what an interrupted
    batch has spent of it is gone. ``arrivals`` is called after each image.
    """
    for folder in {target.parent for target in targets.values()}:
        remove_stale(folder)
    is_needed = partial(_is_needed, skip_existing=skip_existing, journal=journal)
    if budget is not None:
        budget.resume(0.0 if journal is None else journal.spent)
        budget.expect(upscaler, filter(None, starmap(is_needed, targets.items())))
    queue, outcome = dict(targets), None
    while queue:
        source = next(iter(queue))
        target = queue.pop(source)
        outcome = _skipped(source, target, skip_existing, journal)
        if outcome is None:
            outcome = _noted_attempt(upscaler, source, target, write_options, watch, journal, budget)
        yield source, target, outcome
        if isinstance(outcome, CancelledError):
            break
        new = dict[Path, Path]() if arrivals is None else arrivals()
        queue.update(new)
        if budget is not None and new:
            budget.expect(upscaler, filter(None, starmap(is_needed, new.items())))
    if journal is not None:
        journal.close(is_complete=not isinstance(outcome, CancelledError))


def _is_needed(source: Path, target: Path, *, skip_existing: bool, journal: Journal | None) -> Path | None:
    """The source, unless its target is there already."""
    return source if _skipped(source, target, skip_existing, journal) is None else None


def _noted_attempt(
    upscaler: Upscaler,
    source: Path,
    target: Path,
    write_options: WriteOptions,
    watch: Watch,
    journal: Journal | None,
    budget: Pacing | None,
) -> Attempt:
    """Attempt one file; the journal knows about it, and the budget chooses its options."""
    if journal is not None:
        journal.begin(source, target)
    outcome = attempt_file(upscaler, source, target, write_options, watch, budget)
    if budget is not None:
        outcome = budget.settle(source, outcome)
    if journal is not None and isinstance(outcome, SparsesrError):
        journal.forget(target)
    elif journal is not None:
        journal.done(target)
    if journal is not None and budget is not None:
        journal.spend(budget.spent)
    return outcome


def _skipped(source: Path, target: Path, skip_existing: bool, journal: Journal | None) -> Skipped | None:
    if journal is not None and journal.is_done(source, target):
        return Skipped("done before the interruption")
    return existing(source, target) if skip_existing else None


def existing(source: Path | None, target: Path) -> Skipped | None:
    """The outcome if an output that exists is taken as done; None if there is none.

    ``source`` is None if the input is no file, so that its age is unknown.
    """
    try:
        found, changed = target.stat(), 0.0 if source is None else source.stat().st_mtime
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size == 0:  # none of ours; writing reports what is there
        return None
    return Skipped("exists, but is older than the input" if changed > found.st_mtime else "exists")


def attempt_file(
    upscaler: Upscaler,
    source: Path,
    target: Path,
    write_options: WriteOptions,
    watch: Watch,
    budget: Pacing | None = None,
) -> Attempt:
    """Upscale a file of a batch; any exception becomes an error that names it."""

    def work() -> FileResult:
        with watch(source) as options:
            chosen = options if budget is None else budget.options(source, options)
            return upscale_file(upscaler, source, target, chosen, write_options)

    outcome = attempted(work, printable(source))
    return _in_batch(outcome, target) if isinstance(outcome, SparsesrError) else outcome


def attempted(work: Callable[[], FileResult], name: str) -> Attempt:
    """The outcome of the work on the input ``name``: its result, or any exception as an error that names it."""
    try:
        return work()
    except SparsesrError as error:
        return located(error, name)
    except Exception as error:
        return unexpected(error, name)


def located(error: SparsesrError, name: str) -> SparsesrError:
    """The error, located at the input ``name`` unless it already has a location."""
    error.where = error.where or name
    return error


def _in_batch(error: SparsesrError, target: Path) -> SparsesrError:
    """The error, with the remedy that only batches have; an empty file is never taken as done."""
    if error.asks_for("overwrite") and _is_empty(target):
        error.what = f"{error.what}, but is empty"
    elif error.asks_for("overwrite"):
        error.remedy = Wording("pass {}, {} or another {}", "overwrite", "skip_existing", "output")
    return error


def _is_empty(path: Path) -> bool:
    state = state_of(path)
    return state is not None and state[0] == 0
