"""The tree of paths against listed nodes; spaces without networks are refused."""

from __future__ import annotations

import pytest

from sparsesr.errors import UsageError
from sparsesr.lab.nn.genotype import CELL, UP
from sparsesr.lab.search.space import Space
from sparsesr.lab.search.tree import count_nodes, grow_tree

# Index: path (0 cell, 1 up) and cells, worked out from the order of the published code.
NODES = {
    0: ("0", (0,)),
    1: ("01", (0,)),
    2: ("011", (0,)),
    3: ("0110", (0, 3)),
    7: ("010", (0, 2)),
    21: ("00", (0, 1)),
    22: ("001", (0, 1)),
    23: ("0011", (0, 1)),
    36: ("000", (0, 1, 16)),
    42: ("000101", (0, 1, 16, 27)),
    46: ("0000", (0, 1, 16, 26)),
    53: ("000001", (0, 1, 16, 26, 32)),
    54: ("0000011", (0, 1, 16, 26, 32)),
}


def test_the_published_tree():
    tree = grow_tree(1, 5, 2)
    assert (len(tree.nodes), tree.cells, tree.ups, len(tree.leaves)) == (55, 35, 20, 15)
    for index, (path, cells) in NODES.items():
        assert tree.nodes[index].path == tuple(UP if digit == "1" else CELL for digit in path), index
        assert tree.nodes[index].cells == cells, index


@pytest.mark.parametrize(("family", "scale", "legal"), [("trilevel_b", 4, 55), ("trilevel_a", 4, 35)])
def test_legal_nodes(family, scale, legal):
    assert len(Space(family=family).legal_nodes(scale)) == legal


@pytest.mark.parametrize(("cells", "ups"), [(4, 2), (2, 1), (3, 0), (0, 3), (0, 0)])
def test_nodes_are_counted_without_growing_the_tree(cells, ups):
    assert count_nodes(cells, ups) == len(grow_tree(1, 1 + cells, ups).nodes)


def test_a_chain_without_ups():
    tree = grow_tree(2, 4, 0)
    assert [node.cells for node in tree.nodes] == [(0, 1), (0, 1, 2), (0, 1, 2, 3)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"family": "nothing"}, "use trilevel_a"),
        ({"widths": (24, 30)}, "multiples of 8"),
        ({"widths": ()}, "at least one"),
        ({"widths": (24, 24)}, "each once"),
        ({"operations": ("linear3x3",)}, "do not belong"),
        ({"fixed_cells": 6}, "0..most_cells"),
        ({"most_cells": 20, "most_ups": 9}, "give 30045014 paths"),
        ({"family": "residual", "widths": (32,)}, "must be 2"),
        ({"family": "residual", "operations_per_cell": 2}, "multiples of 16"),
        ({"family": "residual", "operations_per_cell": 2, "widths": (32,)}, "has no up blocks"),
        (
            {
                "family": "residual",
                "operations_per_cell": 2,
                "widths": (32,),
                "most_ups": 0,
                "operations": ("relu3x3",),
            },
            "place without a candidate",
        ),
    ],
)
def test_bad_spaces(settings, says):
    with pytest.raises(UsageError, match=says):
        Space(**settings)


def test_a_space_without_a_legal_path():
    with pytest.raises(UsageError, match="no path reaches x3"):
        Space(family="trilevel_a").legal_nodes(3)
