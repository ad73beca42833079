"""Crops that are enlarged each by itself: how networks with attention over all pixels take large pictures.

Their work grows with the square of the number of pixels, and they are trained on small patches. ESRT's authors always
split: into four overlapping quarters, and those again, until a part has fewer than 60,000 pixels.
"""

from __future__ import annotations

from sparsesr.engine.plan import Box, Tile
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.spec import Graph

CHOP_PX = 60_000
"""LR pixels that a crop stays below."""
SHAVE_PX = 10
"""LR pixels that the quarters of a picture reach beyond its middle, on each side."""


def has_pixel_attention(graph: Graph) -> bool:
    """True if pixels attend to pixels, so that the work grows faster than the picture."""
    return any(operation_of(node).attends_across_pixels for node in graph.nodes)


def chop(height: int, width: int, most_px: int = CHOP_PX, shave_px: int = SHAVE_PX) -> tuple[Tile, ...]:
    """Split into quarters at least once, and further while they have ``most_px`` pixels or more.

    Cores tile the picture; windows of the same size follow each other.
    """
    picture = Box(0, 0, height, width)
    tiles = _quarters(Tile(picture, picture), most_px, shave_px)
    return tuple(sorted(tiles, key=lambda tile: (tile.window.height, tile.window.width)))


def _quarters(tile: Tile, most_px: int, shave_px: int) -> list[Tile]:
    window, tiles = tile.window, list[Tile]()
    for top, bottom, rows in _halves(window.top, window.bottom, shave_px):
        for left, right, columns in _halves(window.left, window.right, shave_px):
            part = Tile(
                _overlap(Box(rows[0], columns[0], rows[1], columns[1]), tile.core),
                Box(top, left, bottom, right),
            )
            if not part.core.area:
                continue
            can_shrink = part.window.area < window.area
            is_large = part.window.area >= most_px
            tiles += _quarters(part, most_px, shave_px) if is_large and can_shrink else [part]
    return tiles


def _halves(begin: int, end: int, shave_px: int) -> list[tuple[int, int, tuple[int, int]]]:
    """Two overlapping parts of a range, and what each is responsible for."""
    middle = begin + (end - begin) // 2
    length = min(middle - begin + shave_px, end - begin)
    return [(begin, begin + length, (begin, middle)), (min(middle, end - length), end, (middle, end))]


def _overlap(a: Box, b: Box) -> Box:
    top, left = max(a.top, b.top), max(a.left, b.left)
    return Box(top, left, max(top, min(a.bottom, b.bottom)), max(left, min(a.right, b.right)))
