"""Batches: many files in sequence; a failing file does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, LimitError, SparsesrError, Wording, unexpected
from sparsesr.image.source import printable
from sparsesr.jobs.files import FileResult, WriteOptions, upscale_file

Outcome = FileResult | SparsesrError
Watch = Callable[[Path], AbstractContextManager[RunOptions]]
"""Maps a file to its run options; the context stays open while the file is processed."""


def upscale_files(
    upscaler: Upscaler, targets: Mapping[Path, Path], write_options: WriteOptions, watch: Watch
) -> Iterator[tuple[Path, Path, Outcome]]:
    """Upscale inputs to outputs; yield (input, output, outcome). Stops after a CancelledError."""
    for source, target in targets.items():
        outcome = _attempt(upscaler, source, target, write_options, watch)
        yield source, target, outcome
        if isinstance(outcome, CancelledError):
            return


def _attempt(
    upscaler: Upscaler, source: Path, target: Path, write_options: WriteOptions, watch: Watch
) -> Outcome:
    def work() -> FileResult:
        with watch(source) as options:
            return upscale_file(upscaler, source, target, options, write_options)

    return attempted(work, printable(source))


def attempted(work: Callable[[], FileResult], name: str) -> Outcome:
    """The outcome of the work on the input ``name``: its result, or any exception as an error that names it."""
    try:
        return work()
    except SparsesrError as error:
        return located(error, name)
    except MemoryError:
        remedy = Wording("lower {} to use tiles, or free some memory", "memory")
        return LimitError("not enough memory", where=name, remedy=remedy)
    except Exception as error:
        return unexpected(error, name)


def located(error: SparsesrError, name: str) -> SparsesrError:
    """The error, located at the input ``name`` unless it already has a location."""
    error.where = error.where or name
    return error
