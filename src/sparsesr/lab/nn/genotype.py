"""Genotype: the architecture that a search found, as plain data with a JSON form. Imports no torch.

A searched network is a path of cells and up blocks between a head and a tail. A cell is a chain of operations with a
residual: ``x + gain * op_n(... op_1(x))``; its outer width is that of the trunk, and the widths between its operations
are searched. (TrilevelNAS, arXiv 2101.06658; spaces as in the authors' published code.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparsesr.errors import ModelError

CELL, UP = "cell", "up"
TRILEVEL_OPERATIONS = ("skip", "conv3x3", "residual", "dwsblock")
"""Candidates of TrilevelNAS in its order; ``skip`` is a 1x1 convolution with ReLU, never an identity."""


@dataclass(frozen=True)
class Family:
    """What all networks of a family share."""

    inner: tuple[str, ...]
    """Candidates for every operation of a cell but the last."""
    last: tuple[str, ...]
    """Candidates for a cell's last operation."""
    gain: float
    """Factor of a cell's chain before it is added to the cell's input."""
    width_multiple: int
    """Widths must be multiples of it."""
    operations_per_cell: int | None = None
    """None: any number."""
    ups_enlarge: bool = False
    """Up blocks double the size; a path is legal if it reaches the scale. Otherwise they are plain convolutions."""
    has_ups: bool = True


FAMILIES: Mapping[str, Family] = {
    "trilevel_a": Family(TRILEVEL_OPERATIONS, TRILEVEL_OPERATIONS, 0.2, 8, ups_enlarge=True),
    "trilevel_b": Family(TRILEVEL_OPERATIONS, TRILEVEL_OPERATIONS, 0.2, 8),
    "agd": Family(TRILEVEL_OPERATIONS, TRILEVEL_OPERATIONS, 0.2, 8, has_ups=False),
    # Vectors of the kernels hold 16 channels, so other widths would leave lanes empty.
    "residual": Family(
        ("relu3x3", "relu1x1"), ("linear3x3", "linear1x1"), 1.0, 16, operations_per_cell=2, has_ups=False
    ),
}


@dataclass(frozen=True)
class Cell:
    """A chain of operations and the widths between them."""

    operations: tuple[str, ...]
    widths: tuple[int, ...]
    """One fewer than operations."""

    def shaped(self, channels: int) -> Iterator[tuple[str, int, int]]:
        """Operation, input width and output width of every place; ``channels`` is the outer width."""
        return zip(self.operations, (channels, *self.widths), (*self.widths, channels), strict=True)


@dataclass(frozen=True)
class Genotype:
    """Architecture of a searched network. Raises ValueError if it is inconsistent."""

    family: str
    scale: int
    channels: int
    """Width of the trunk."""
    path: tuple[str, ...]
    """``cell`` and ``up`` in their order."""
    cells: tuple[Cell, ...]
    """The cells of the path."""
    keeps_shortcuts: bool = True
    """Shortcuts inside operations are 1x1 convolutions, as in the supernet, even where widths agree; otherwise identity
    there."""
    mask_channels: int = 0
    """Hidden channels of the head of a learned mask; 0: all pixels are active."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"family {self.family!r}: use {', '.join(FAMILIES)}")
        family = FAMILIES[self.family]
        _check(self.scale in (2, 3, 4), f"scale must be 2, 3 or 4, not {self.scale}")
        _check(set(self.path) <= {CELL, UP}, f"path {self.path} holds something other than cell and up")
        _check(self.path.count(CELL) == len(self.cells), "the path has another number of cells than given")
        _check(family.has_ups or UP not in self.path, f"{self.family} has no up blocks")
        reached = 2 ** self.path.count(UP)
        _check(
            not family.ups_enlarge or reached == self.scale, f"the path reaches x{reached}, not x{self.scale}"
        )
        widths = {self.channels, *(width for cell in self.cells for width in cell.widths)}
        wrong = [width for width in widths if width < 1 or width % family.width_multiple]
        _check(not wrong, f"widths {wrong} are not multiples of {family.width_multiple}")
        for cell in self.cells:
            _check_cell(cell, family)
        _check(self.mask_channels >= 0, f"mask_channels {self.mask_channels} must not be negative")
        has_cells = (CELL, 0) in zip(self.path, self.levels, strict=True)
        _check(not self.mask_channels or has_cells, "a mask needs a cell in front of the up blocks")

    @property
    def levels(self) -> tuple[int, ...]:
        """For every block of the path, how often the size was doubled before it."""
        doublings = FAMILIES[self.family].ups_enlarge
        return tuple(self.path[:index].count(UP) * doublings for index in range(len(self.path)))

    def to_json(self) -> str:
        """Readable JSON."""
        return json.dumps(asdict(self), indent=1)

    def drawn(self) -> str:
        """The network as text, one block per line."""
        cells = iter(self.cells)
        return "\n".join(
            _line(kind, next(cells) if kind == CELL else None, self.channels) for kind in self.path
        )


def genotype_from_json(text: str) -> Genotype:
    """The inverse of :meth:`Genotype.to_json`; raises ValueError for anything else."""
    try:
        read: dict[str, Any] = json.loads(text)
        cells = tuple(Cell(tuple(cell["operations"]), tuple(cell["widths"])) for cell in read["cells"])
        fields: dict[str, Any] = {**read, "path": tuple(read["path"]), "cells": cells}
        return Genotype(**fields)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a genotype ({type(error).__name__}: {error})") from None


def read_genotype(path: Path) -> Genotype:
    """Read a genotype file; ModelError if that fails."""
    try:
        return genotype_from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=str(path)) from None
    except ValueError as error:
        raise ModelError(str(error), where=str(path), remedy="`sparsesr search` writes genotypes") from None


def _check_cell(cell: Cell, family: Family) -> None:
    places = len(cell.operations)
    _check(places >= 1 and len(cell.widths) == places - 1, "a cell has one width fewer than operations")
    _check(
        family.operations_per_cell in (None, places), f"a cell has {family.operations_per_cell} operations"
    )
    allowed = [family.inner] * (places - 1) + [family.last]
    wrong = [name for name, known in zip(cell.operations, allowed, strict=True) if name not in known]
    _check(not wrong, f"operations {wrong} do not belong to the family, or not to their place")


def _check(is_good: bool, message: str) -> None:
    if not is_good:
        raise ValueError(message)


def _line(kind: str, cell: Cell | None, channels: int) -> str:
    if cell is None:
        return kind
    steps = (f"{name} -> {width}" for name, _, width in cell.shaped(channels))
    return f"{kind:5} {channels}: " + ", ".join(steps)
