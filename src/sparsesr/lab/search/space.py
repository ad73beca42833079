"""Search space: which networks a search may find. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sparsesr.errors import Parameter, UsageError
from sparsesr.lab.nn.genotype import FAMILIES, Cell, Family, Genotype
from sparsesr.lab.search.tree import Tree, count_nodes, grow_tree

_MOST_NODES = 1000


@dataclass(frozen=True)
class Space:
    """Paths, operations and widths of a search. The defaults are those of TrilevelNAS-B.

    Raises:
        UsageError: no network belongs to the space, or its kernels would be partly empty.
    """

    family: str = "trilevel_b"
    channels: int = 64
    """Width of the trunk."""
    widths: tuple[int, ...] = (24, 32, 40, 56, 64)
    """Candidates for every width inside a cell."""
    operations: tuple[str, ...] = ()
    """Candidates, in the family's order; empty: all of the family."""
    operations_per_cell: int = 5
    fixed_cells: int = 1
    """Cells at the beginning of every path."""
    most_cells: int = 5
    most_ups: int = 2

    def __post_init__(self) -> None:
        _check(self.family in FAMILIES, "family", f"{self.family!r} is unknown", f"use {', '.join(FAMILIES)}")
        rule = FAMILIES[self.family]
        multiple, places = rule.width_multiple, rule.operations_per_cell
        wrong = sorted({width for width in (self.channels, *self.widths) if width < 1 or width % multiple})
        _check(
            not wrong, "widths", f"{wrong} would leave kernels partly empty", f"use multiples of {multiple}"
        )
        _check(bool(self.widths), "widths", "there are none", "give at least one")
        _check(len(set(self.widths)) == len(self.widths), "widths", "one is given twice", "give each once")
        _check(places in (None, self.operations_per_cell), "operations_per_cell", f"must be {places}", "")
        _check(self.operations_per_cell >= 1, "operations_per_cell", "must be at least 1", "")
        _check(0 <= self.fixed_cells <= self.most_cells, "fixed_cells", "must be in 0..most_cells", "")
        _check(self.most_cells >= 1, "most_cells", "must be at least 1", "")
        _check(self.most_ups >= 0, "most_ups", "must not be negative", "")
        _check(rule.has_ups or self.most_ups == 0, "most_ups", f"{self.family} has no up blocks", "set 0")
        known = (*rule.inner, *rule.last)
        strange = [name for name in self.operations if name not in known]
        _check(
            not strange, "operations", f"{strange} do not belong to {self.family}", f"use {', '.join(known)}"
        )
        _check(
            all(self.candidates), "operations", "leave a place without a candidate", f"use {', '.join(known)}"
        )
        nodes = count_nodes(self.most_cells - self.fixed_cells, self.most_ups)
        _check(nodes <= _MOST_NODES, "most_cells", f"and most_ups give {nodes} paths", "lower them")

    @property
    def rule(self) -> Family:
        """What the networks of the family share."""
        return FAMILIES[self.family]

    @cached_property
    def candidates(self) -> tuple[tuple[str, ...], ...]:
        """Candidate operations of every place in a cell."""
        last = self.operations_per_cell - 1
        families = [self.rule.last if place == last else self.rule.inner for place in range(last + 1)]
        return tuple(
            tuple(name for name in names if not self.operations or name in self.operations)
            for names in families
        )

    @cached_property
    def tree(self) -> Tree:
        """All paths."""
        return grow_tree(self.fixed_cells, self.most_cells, self.most_ups)

    def widths_at(self, place: int) -> tuple[int, ...]:
        """Candidate widths in front of an operation, 0 to ``operations_per_cell``: the trunk's at both ends."""
        return self.widths if 0 < place < self.operations_per_cell else (self.channels,)

    def legal_nodes(self, scale: int) -> tuple[int, ...]:
        """Indices of the nodes that are whole networks of that scale.

        Raises:
            UsageError: there are none.
        """
        reaches = self.rule.ups_enlarge
        legal = tuple(node.index for node in self.tree.nodes if not reaches or 2**node.ups == scale)
        _check(
            bool(legal),
            "most_ups",
            f"no path reaches x{scale}",
            "x2 needs 1 up block, x4 needs 2; x3 has none",
        )
        return legal

    def level(self, ups: int) -> int:
        """How often the size has been doubled behind so many up blocks."""
        return ups if self.rule.ups_enlarge else 0

    def genotype(
        self,
        scale: int,
        node: int,
        operations: tuple[tuple[int, ...], ...],
        widths: tuple[tuple[int, ...], ...],
    ) -> Genotype:
        """The network of a node; ``operations`` and ``widths`` hold the chosen indices of all cells of the tree."""
        path, cells = self.tree.nodes[node].path, self.tree.nodes[node].cells
        chosen = tuple(
            Cell(
                tuple(names[index] for names, index in zip(self.candidates, operations[cell], strict=True)),
                tuple(self.widths[index] for index in widths[cell]),
            )
            for cell in cells
        )
        return Genotype(self.family, scale, self.channels, path, chosen)


def _check(is_good: bool, setting: str, what: str, remedy: str) -> None:
    if not is_good:
        raise UsageError(what, where=Parameter(f"recipe.space.{setting}"), remedy=remedy or None)
