"""The networks that TrilevelNAS and AGD found, as listed in the authors' public evaluation script. Imports no torch.

Their figures are counted from these listings; no result of the paper could be read.
"""

from __future__ import annotations

from sparsesr.lab.nn.genotype import CELL, TRILEVEL_OPERATIONS, UP, Cell, Genotype

WIDTHS = (24, 32, 40, 56, 64)
"""Widths of 64 channels at 4, 6, 8, 10 and 12 twelfths, rounded to multiples of 8 as in the public code."""
_CHANNELS = 64
_SCALE = 4
_AGD_PATH = "00000"


def decoded(family: str, path: str, operations: str, widths: str) -> Genotype:
    """The genotype of a listing: digits are indices; cells are separated by spaces.

    Args:
        family: ``trilevel_a``, ``trilevel_b`` or ``agd``.
        path: 0 for a cell, 1 for an up block.
        operations: per cell, indices into :data:`TRILEVEL_OPERATIONS`.
        widths: per cell, indices into :data:`WIDTHS`.
    """
    cells = tuple(
        Cell(
            tuple(TRILEVEL_OPERATIONS[int(digit)] for digit in operation),
            tuple(WIDTHS[int(digit)] for digit in width),
        )
        for operation, width in zip(operations.split(), widths.split(), strict=True)
    )
    blocks = tuple(UP if digit == "1" else CELL for digit in path)
    return Genotype(family, _SCALE, _CHANNELS, blocks, cells, keeps_shortcuts=False)


LISTED = {
    "trilevel_a1_x4": decoded("trilevel_a", "000101", "01001 33312 00103 11011", "4000 1140 4421 0411"),
    "trilevel_a2_x4": decoded(
        "trilevel_a", "0000011", "33333 01313 33323 33322 13332", "3042 4440 1122 2242 2000"
    ),
    "trilevel_b1_x4": decoded("trilevel_b", "000", "30333 30131 20000", "1102 0300 4000"),
    "trilevel_b2_x4": decoded(
        "trilevel_b", "000001", "00330 32311 10103 33113 31111", "1040 1232 4401 4300 1440"
    ),
    "trilevel_b3_x4": decoded("trilevel_b", "0011", "00020 33110", "2033 4310"),
    "agd_1_x4": decoded("agd", _AGD_PATH, "00000 33212 00000 13332 00000", "0000 0040 0000 1100 0000"),
    "agd_2_x4": decoded("agd", _AGD_PATH, "33332 32001 00000 33332 00000", "1130 0110 0000 1300 0000"),
}
"""Genotypes by registry name."""
