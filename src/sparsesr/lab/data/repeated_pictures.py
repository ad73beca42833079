"""Files that hold the same picture, by ``near_duplicates``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsesr.errors import InputError
from sparsesr.lab.data.near_duplicates import (
    COARSE_SIZES,
    FINE_SIZES,
    Grey,
    describe,
    near_duplicates,
    read_grey,
)


@dataclass(frozen=True)
class RepeatedPicture:
    """Two files with the same picture, and the scores of their most alike windows."""

    candidate: Path
    reference: Path
    correlation: float
    hash_distance: int


@dataclass(frozen=True)
class Comparison:
    """What a comparison of files found."""

    pairs: list[RepeatedPicture]
    """The likeliest first."""
    compared: int
    unreadable: list[str]
    """One line per file."""


def find_repeated(candidates: Sequence[Path], references: Sequence[Path] | None = None) -> Comparison:
    """Compare candidates with references, or, without them, with each other (every pair is given once)."""
    unreadable: list[str] = []
    own_paths, own = _read(candidates, unreadable)
    paths, pictures = (own_paths, own) if references is None else _read(references, unreadable)
    fine = describe(own, FINE_SIZES)
    found: dict[tuple[int, int], RepeatedPicture] = {}
    for pair in near_duplicates(fine, describe(pictures, COARSE_SIZES, symmetries=True)):
        key = pair.candidate, pair.reference
        if references is None:
            key = min(key), max(key)
        repeated = RepeatedPicture(own_paths[key[0]], paths[key[1]], pair.correlation, pair.hash_distance)
        same_file = own_paths[key[0]].resolve() == paths[key[1]].resolve()
        if not same_file and (key not in found or found[key].correlation < pair.correlation):
            found[key] = repeated
    compared = len(own) + (0 if references is None else len(pictures))
    pairs = sorted(found.values(), key=lambda pair: (-pair.correlation, pair.candidate, pair.reference))
    return Comparison(pairs, compared, unreadable)


def _read(paths: Sequence[Path], unreadable: list[str]) -> tuple[list[Path], list[Grey]]:
    read: list[Path] = []
    pictures: list[Grey] = []
    for path in paths:
        try:
            pictures.append(read_grey(path))
        except InputError as error:
            unreadable.append(str(error))
            continue
        read.append(path)
    return read, pictures
