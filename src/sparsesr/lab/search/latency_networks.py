"""Networks whose runs tell the latencies of a space's operations, and random ones that check the sum."""

from __future__ import annotations

import numpy as np

from sparsesr.lab.nn.genotype import CELL, UP, Cell, Genotype
from sparsesr.lab.search.space import Space

Shaped = tuple[str, int, int]
"""Name, input width and output width of an operation."""


def covering_network(space: Space, scale: int, level: int) -> Genotype:
    """A network whose cells hold every operation at every width of the space, at one level."""
    missing = [_all_shaped(space, place) for place in range(space.operations_per_cell)]
    cells: list[Cell] = []
    while any(missing):
        cells.append(_next_cell(space, missing))
    ups = _ups(space, scale)
    path = (UP,) * level + (CELL,) * len(cells) + (UP,) * (ups - level)
    return Genotype(space.family, scale, space.channels, path, tuple(cells))


def bare_network(space: Space, scale: int) -> Genotype:
    """The frame with nothing but up blocks."""
    return Genotype(space.family, scale, space.channels, (UP,) * _ups(space, scale), ())


def random_network(space: Space, scale: int, draw: np.random.Generator) -> Genotype:
    """A network drawn uniformly: its path, then its operations and widths."""
    cells = range(space.tree.cells)
    operations = tuple(tuple(int(draw.integers(len(names))) for names in space.candidates) for _ in cells)
    widths = tuple(
        tuple(int(draw.integers(len(space.widths))) for _ in range(space.operations_per_cell - 1))
        for _ in cells
    )
    return space.genotype(scale, int(draw.choice(space.legal_nodes(scale))), operations, widths)


def _ups(space: Space, scale: int) -> int:
    """Up blocks of the measured networks: as many as the scale needs, and one where a path may have any."""
    needed = min(space.tree.nodes[index].ups for index in space.legal_nodes(scale))
    return max(needed, min(1, space.most_ups))


def _all_shaped(space: Space, place: int) -> list[Shaped]:
    return [
        (name, c_in, c_out)
        for c_in in space.widths_at(place)
        for c_out in space.widths_at(place + 1)
        for name in space.candidates[place]
    ]


def _next_cell(space: Space, missing: list[list[Shaped]]) -> Cell:
    """A cell of operations that are still missing, where the widths before them allow it; removes them."""
    chosen: list[Shaped] = []
    width = space.channels
    for place, left in enumerate(missing):
        fitting = [shaped for shaped in left if shaped[1] == width]
        if fitting:
            # The next place should find something to measure as well.
            following = missing[place + 1] if place + 1 < len(missing) else []
            wanted = {shaped[1] for shaped in following}
            pick = next((shaped for shaped in fitting if shaped[2] in wanted), fitting[0])
            for others in missing:  # where it is measured does not matter
                if pick in others:
                    others.remove(pick)
        else:
            later = [shaped[1] for shaped in (missing[place + 1] if place + 1 < len(missing) else [])]
            ends = space.widths_at(place + 1)
            pick = (space.candidates[place][0], width, later[0] if later else ends[0])
        chosen.append(pick)
        width = pick[2]
    return Cell(tuple(name for name, _, _ in chosen), tuple(c_out for _, _, c_out in chosen[:-1]))
