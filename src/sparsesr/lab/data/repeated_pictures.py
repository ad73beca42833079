"""Files that hold the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sparsesr.errors import InputError
from sparsesr.lab.data.near_duplicates import Grey, near_duplicates, read_grey


@dataclass(frozen=True)
class RepeatedPicture:
    """Two files with the same picture."""

    candidate: Path
    reference: Path
    likeness: float
    """Correlation of their gradients."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison of files found."""

    pairs: list[RepeatedPicture]
    """The likeliest first."""
    compared: int
    unreadable: list[str]
    """One line per file."""


def find_repeated(candidates: Sequence[Path], references: Sequence[Path] | None = None) -> Comparison:
    """Compare candidates with references, or, without them, with each other."""
    unreadable: list[str] = []
    own = _read(candidates, unreadable)
    others = own if references is None else _read(references, unreadable)
    own_paths, other_paths = list(own), list(others)
    pairs = [
        RepeatedPicture(own_paths[found.candidate], other_paths[found.reference], found.likeness)
        for found in near_duplicates(list(own.values()), list(others.values()))
        if references is not None or found.candidate < found.reference
    ]
    pairs = [pair for pair in pairs if pair.candidate.resolve() != pair.reference.resolve()]
    pairs.sort(key=lambda pair: (-pair.likeness, pair.candidate, pair.reference))
    return Comparison(pairs, len(set(chain(own, others))), unreadable)


def _read(paths: Sequence[Path], unreadable: list[str]) -> dict[Path, Grey]:
    """The readable pictures, in order; the others are added to ``unreadable``."""
    pictures: dict[Path, Grey] = {}
    for path in paths:
        try:
            pictures[path] = read_grey(path)
        except InputError as error:
            unreadable.append(str(error))
    return pictures
