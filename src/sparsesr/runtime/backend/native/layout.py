"""Memory layout of maps for the native kernels: channels last, padded to whole vectors."""

from __future__ import annotations

from sparsesr.modelfile.operations.attributes import HEADS, SEGMENTS
from sparsesr.modelfile.operations.segment_attention import segment_tokens
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import MapLayout

CHANNEL_BLOCK = 16
_MASK_BYTES = 3 * 4 + 2 + 1
"""Three 32-bit lists (active, inactive, border) with room for all pixels, each pixel's neighbours, and, rounded up, two
bits per pixel with two counts per row."""


def _packed_by_attention(entry: TypedNode, grid: Grid) -> int:
    """Values in the packed keys and values of one head and segment: tokens in groups of 16, channels in groups of 6."""
    rows, columns = grid.size(entry.output)
    keys = -(-segment_tokens(rows * columns, SEGMENTS.of(entry.node)) // 16) * 16
    return 2 * keys * (-(-entry.output.channels // HEADS.of(entry.node) // 6) * 6)


SCRATCH = {"segment_attention": _packed_by_attention}
"""Number of floats that kernels allocate while they run, by operation."""


def _scratch_values(entry: TypedNode, grid: Grid) -> int:
    needs = SCRATCH.get(entry.node.op)
    return 0 if needs is None else needs(entry, grid)


NATIVE_LAYOUT = MapLayout(CHANNEL_BLOCK, 4, _MASK_BYTES, _scratch_values)
