"""Pairs of inputs and outputs for a batch: names kept apart, earlier results left out, clashes reported one by one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparsesr.errors import InputError, SparsesrError, UsageError, Wording
from sparsesr.image.formats import format_of
from sparsesr.image.source import printable
from sparsesr.jobs.destinations import default_output, results_among
from sparsesr.jobs.identity import Identities
from sparsesr.jobs.inputs import Inputs, has_image_suffix, shown
from sparsesr.jobs.local_names import exists, is_folder

Targets = dict[Path, Path]
_ELSEWHERE = Wording("choose another {}", "output")


@dataclass(frozen=True)
class Pairing:
    """What a batch will do."""

    targets: Targets
    """Output of each input."""
    failures: list[tuple[Path, SparsesrError]]
    """Inputs that have no output, and why."""
    notes: list[str]
    """What was left out, one sentence each."""


def pair(inputs: Inputs, output: str | None, label: str, format: str | None = None) -> Pairing:
    """Find an output for each input; creates the folders of ``output``.

    ``output`` is a folder if it is one, if its name looks like one, or if there are several files. Files named like
    results for other inputs are left out. Two inputs with the same output get names with their extensions; if that
    is not enough, both fail.

    Raises:
        UsageError: one input is its own output, several inputs have one file as output, or a folder cannot be made.
    """
    folder = None if output is None or not _is_folder(output, inputs.files) else Path(output)
    results = set(results_among(inputs.files, label, folder))
    files = [(path, relative) for path, relative in inputs.files if path not in results]
    if output is not None and folder is None:
        targets = {path: Path(output) for path, _ in files}
    else:
        targets = _targets(files, folder, label, format)
    failures = _clashes(targets)
    failures |= _without_folder({} if folder is None else targets, failures)
    if len(files) == 1 and failures:
        raise next(iter(failures.values()))
    kept = {source: target for source, target in targets.items() if source not in failures}
    return Pairing(kept, list(failures.items()), [*inputs.notes, *_note_of(sorted(results))])


def _note_of(results: list[Path]) -> list[str]:
    if not results:
        return []
    it, what = ("it", "an earlier result") if len(results) == 1 else ("one", "earlier results")
    return [f"{shown(results)}: taken as {what}, not as input; name {it} alone to upscale it again"]


def _is_folder(output: str, files: list[tuple[Path, Path]]) -> bool:
    if _looks_like_folder(output):
        return True
    if len(files) > 1 and _looks_like_file(output):
        raise UsageError(
            f"{len(files)} inputs cannot become one file",
            where=printable(output),
            remedy=Wording("name a folder with {}, with / at its end", "output"),
        )
    return len(files) > 1


def _looks_like_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or is_folder(output) or not (Path(output).suffix or exists(output))


def _looks_like_file(output: str) -> bool:
    path = Path(output)
    return format_of(path.suffix) is not None or has_image_suffix(path)


def _targets(files: list[tuple[Path, Path]], folder: Path | None, label: str, format: str | None) -> Targets:
    def named(path: Path, relative: Path, apart: bool) -> Path:
        place = None if folder is None else folder / relative.parent
        return default_output(path, label, folder=place, format=format, apart=apart)

    plain = {path: named(path, relative, False) for path, relative in files}
    clashing = _clashing(plain)
    return {
        path: named(path, relative, True) if path in clashing else plain[path] for path, relative in files
    }


def _clashing(targets: Targets) -> set[Path]:
    """Inputs whose output is also that of another input."""
    real, sources = Identities(), dict[str, list[Path]]()
    for source, target in targets.items():
        sources.setdefault(real.of_output(target), []).append(source)
    return {source for same in sources.values() if len(same) > 1 for source in same}


def _clashes(targets: Targets) -> dict[Path, SparsesrError]:
    """Inputs whose output is an input, or also the output of another input."""
    real, clashing = Identities(), _clashing(targets)
    inputs = {real.of(path): path for path in targets}
    failures: dict[Path, SparsesrError] = {}
    for source, target in targets.items():
        other = inputs.get(real.of(target))
        if other is not None:
            which = "the input itself" if other == source else f"also an input ({printable(other.name)})"
            failures[source] = UsageError(f"is {which}", where=printable(target), remedy=_ELSEWHERE)
        elif source in clashing:
            failures[source] = UsageError(
                f"would become {printable(target)}, as another input would",
                where=printable(source),
                remedy="upscale it separately, into another folder",
            )
    return failures


def _without_folder(targets: Targets, failed: Mapping[Path, SparsesrError]) -> dict[Path, SparsesrError]:
    """Make the folders of outputs; return the inputs for which that is impossible."""
    faults: dict[Path, InputError | None] = {}
    for source, target in targets.items():
        if source not in failed and target.parent not in faults:
            faults[target.parent] = _made(target.parent)
    return {
        source: fault
        for source, target in targets.items()
        if source not in failed and (fault := faults[target.parent]) is not None
    }


def file_in(output: str, name: str) -> Path:
    """The file for a single result: ``output``, or ``name`` in it if it looks like a folder, which is made.

    Raises InputError if that is impossible.
    """
    if not _looks_like_folder(output):
        return Path(output)
    fault = _made(Path(output))
    if fault is not None:
        raise fault
    return Path(output) / name


def _made(folder: Path) -> InputError | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return InputError(f"cannot be created ({reason})", where=printable(folder), remedy=_ELSEWHERE)
    return None
