"""Memory layout of maps for the native kernels: channels last, padded to whole vectors."""

from __future__ import annotations

from sparsesr.modelfile.operations.attributes import HEADS, SEGMENTS
from sparsesr.modelfile.operations.segment_attention import segment_tokens
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import MapLayout

CHANNEL_BLOCK = 16


def mask_bytes(height: int, width: int) -> int:
    """Bytes of a mask, as `PixelMask` in ``native/operators/pixel_mask.cc`` allocates them."""
    lists = 3 * 4 + 2  # bytes per pixel: active, inactive and border ones, and each one's neighbours
    row_bits = 8 * -(-width // 64)  # whole words, of active and of border pixels
    counts = 8 * (height + 1)  # of either, before each row
    return height * (lists * width + 2 * row_bits) + 2 * counts


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


NATIVE_LAYOUT = MapLayout(CHANNEL_BLOCK, 4, mask_bytes, _scratch_values)
