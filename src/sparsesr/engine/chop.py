"""Independent crops of a large image, for networks with attention across all pixels.

Their work grows with the square of the number of pixels, and they are trained on small patches. ESRT's authors
always split an image into four overlapping quarters, recursively, until a part has fewer than 60,000 pixels.
"""

from __future__ import annotations

from sparsesr.engine.plan import Box, Tile
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.spec import Graph

CHOP_PX = 60_000
"""A crop has fewer LR pixels than this."""
SHAVE_PX = 10
"""LR pixels by which quarters extend beyond the middle, on each side."""


def has_pixel_attention(graph: Graph) -> bool:
    """True if pixels attend to each other, so that the work grows faster than the image."""
    return any(operation_of(node).attends_across_pixels for node in graph.nodes)


def chop(height: int, width: int, most_px: int = CHOP_PX, shave_px: int = SHAVE_PX) -> tuple[Tile, ...]:
    """Split into quarters at least once, and further while they have ``most_px`` pixels or more.

    The cores partition the image; tiles are ordered by the size of their window.
    """
    whole = Box(0, 0, height, width)
    tiles = _quarters(Tile(whole, whole), most_px, shave_px)
    return tuple(sorted(tiles, key=lambda tile: (tile.window.height, tile.window.width)))


def _quarters(tile: Tile, most_px: int, shave_px: int) -> list[Tile]:
    window, tiles = tile.window, list[Tile]()
    for top, bottom, rows in _halves(window.top, window.bottom, shave_px):
        for left, right, columns in _halves(window.left, window.right, shave_px):
            part = Tile(
                overlap(Box(rows[0], columns[0], rows[1], columns[1]), tile.core),
                Box(top, left, bottom, right),
            )
            if not part.core.area:
                continue
            can_shrink = part.window.area < window.area
            is_large = part.window.area >= most_px
            tiles += _quarters(part, most_px, shave_px) if is_large and can_shrink else [part]
    return tiles


def _halves(start: int, end: int, shave_px: int) -> list[tuple[int, int, tuple[int, int]]]:
    """Two overlapping parts of a range, each with the half that it contributes."""
    middle = start + (end - start) // 2
    length = min(middle - start + shave_px, end - start)
    return [(start, start + length, (start, middle)), (min(middle, end - length), end, (middle, end))]


def overlap(a: Box, b: Box) -> Box:
    """The common part of two boxes; empty (area 0) if there is none."""
    top, left = max(a.top, b.top), max(a.left, b.left)
    return Box(top, left, max(top, min(a.bottom, b.bottom)), max(left, min(a.right, b.right)))
