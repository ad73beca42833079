"""The tree of network paths: every prefix of a path is a node with weights of its own (TrilevelNAS, public code)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import comb

from sparsesr.lab.nn.genotype import CELL, UP


@dataclass(frozen=True)
class Node:
    """A prefix of a path."""

    index: int
    parent: int | None
    """None for the root, which stands behind the fixed cells."""
    path: tuple[str, ...]
    """Its blocks from the head on, ``cell`` and ``up``."""
    cells: tuple[int, ...]
    """Numbers of the cells along the path."""
    up: int | None
    """Number of the node's own up block; None if its own block is a cell."""

    @property
    def ups(self) -> int:
        """Up blocks along the path."""
        return self.path.count(UP)


@dataclass(frozen=True)
class Tree:
    """All nodes, in the order of the published code: depth first, and up blocks before cells."""

    nodes: tuple[Node, ...]

    @cached_property
    def cells(self) -> int:
        """Number of cells of all nodes."""
        return 1 + max(cell for node in self.nodes for cell in node.cells)

    @property
    def ups(self) -> int:
        """Number of up blocks of all nodes."""
        return sum(node.up is not None for node in self.nodes)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Indices of parents and children."""
        return tuple((node.parent, node.index) for node in self.nodes if node.parent is not None)

    def children(self, index: int) -> tuple[Node, ...]:
        """The nodes that append one block to this one."""
        return self._children[index]

    @cached_property
    def _children(self) -> tuple[tuple[Node, ...], ...]:
        of_all: list[list[Node]] = [[] for _ in self.nodes]
        for parent, child in self.edges:
            of_all[parent].append(self.nodes[child])
        return tuple(map(tuple, of_all))

    @property
    def leaves(self) -> tuple[Node, ...]:
        """Nodes without children: whole paths."""
        parents = {node.parent for node in self.nodes}
        return tuple(node for node in self.nodes if node.index not in parents)


def count_nodes(more_cells: int, most_ups: int) -> int:
    """Number of nodes of a tree with so many cells beside the fixed ones: all orders of all numbers of both blocks."""
    return comb(more_cells + most_ups + 2, most_ups + 1) - 1


def grow_tree(fixed_cells: int, most_cells: int, most_ups: int) -> Tree:
    """The tree of all paths with ``fixed_cells`` to ``most_cells`` cells and at most ``most_ups`` up blocks."""
    root = (None, (CELL,) * fixed_cells, tuple(range(fixed_cells)), None)
    waiting: list[tuple[int | None, tuple[str, ...], tuple[int, ...], int | None]] = [root]
    nodes: list[Node] = []
    cells, ups = fixed_cells, 0
    while waiting:
        node = Node(len(nodes), *waiting.pop())
        nodes.append(node)
        if len(node.cells) < most_cells:  # cells are numbered when they are pushed
            waiting.append((node.index, (*node.path, CELL), (*node.cells, cells), None))
            cells += 1
        if node.ups < most_ups:
            waiting.append((node.index, (*node.path, UP), node.cells, ups))
            ups += 1
    return Tree(tuple(nodes))
