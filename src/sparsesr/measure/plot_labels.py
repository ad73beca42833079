"""Places for the names of dots in a plot, so that no name covers another one or a dot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_CHARACTER_PX, _HEIGHT_PX = 5.9, 11.0
"""Size of text at 11 px, roughly; wide letters are a little wider."""
_DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (0.7, -0.7), (0.7, 0.7), (-0.7, -0.7), (-0.7, 0.7))
"""Right and down, best first."""
_RINGS_PX = (9.0, 20.0, 32.0, 46.0)
"""Distances from the centre of the dot, best first; from the second on, a line leads to the dot."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Common area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True)
class Label:
    """A placed name: position of the baseline, and the end of the text that is there."""

    text: str
    x: float
    y: float
    anchor: str
    leader: tuple[float, float, float, float] | None = None
    """A line (x1, y1, x2, y2) from the dot to a name that is not next to it."""


def place_labels(names: Sequence[tuple[str, float, float]], taken: Sequence[Box], area: Box) -> list[Label]:
    """Choose a place around each named dot (name, x, y), in order: the first that covers nothing, or the least.

    Args:
        names: with the centres of their dots.
        taken: what no name should cover, such as dots.
        area: what names should stay within.
    """
    covered, placed = list(taken), list[Label]()
    for text, x, y in names:
        boxed = [(label, _box(label)) for label in _places(text, x, y)]
        label, box = min(boxed, key=lambda place: _cost(place[1], covered, area))
        covered.append(box)
        placed.append(label)
    return placed


def _places(text: str, x: float, y: float) -> list[Label]:
    """Places around a dot, best first."""
    return [_place(text, x, y, right, down, radius) for radius in _RINGS_PX for right, down in _DIRECTIONS]


def _place(text: str, x: float, y: float, right: float, down: float, radius: float) -> Label:
    end_x, end_y = x + right * radius, y + down * radius
    anchor = "middle" if right == 0 else "start" if right > 0 else "end"
    leader = None if radius == _RINGS_PX[0] else (x, y, end_x, end_y)
    return Label(text, end_x, end_y + _HEIGHT_PX * (0.36 + down * 0.4), anchor, leader)


def _box(label: Label) -> Box:
    width = _CHARACTER_PX * len(label.text)
    left = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
    return Box(left, label.y - _HEIGHT_PX + 2, left + width, label.y + 2)


def _cost(box: Box, taken: Sequence[Box], area: Box) -> float:
    """Area of other things that a name would cover, and of itself outside the plot."""
    return sum(box.overlap(other) for other in taken) + box.area - box.overlap(area)
