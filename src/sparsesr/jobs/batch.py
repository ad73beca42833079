"""Many files, one after the other; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, LimitError, SparsesrError, Wording, unexpected
from sparsesr.image.source import printable
from sparsesr.jobs.files import FileResult, Writing, upscale_file

Outcome = FileResult | SparsesrError
Watch = Callable[[Path], AbstractContextManager[RunOptions]]
"""Given a file, the options to run it with; the context is open while it is worked on."""


def upscale_files(
    upscaler: Upscaler, targets: Mapping[Path, Path], writing: Writing, watch: Watch
) -> Iterator[tuple[Path, Path, Outcome]]:
    """Upscale inputs into outputs; yield (input, output, outcome). A CancelledError is the last outcome."""
    for source, target in targets.items():
        outcome = _attempt(upscaler, source, target, writing, watch)
        yield source, target, outcome
        if isinstance(outcome, CancelledError):
            return


def _attempt(upscaler: Upscaler, source: Path, target: Path, writing: Writing, watch: Watch) -> Outcome:
    try:
        with watch(source) as options:
            return upscale_file(upscaler, source, target, options, writing)
    except SparsesrError as error:
        return located(error, printable(source))
    except MemoryError:
        remedy = Wording("lower {} to work in tiles, or free some", "memory")
        return LimitError("not enough memory", where=printable(source), remedy=remedy)
    except Exception as error:
        return unexpected(error, printable(source))


def located(error: SparsesrError, name: str) -> SparsesrError:
    """The error, with the name of the input where it says no place itself."""
    error.where = error.where or name
    return error
