"""Transparency: what a network sees where nothing is visible, and how the alpha plane is enlarged.

Fully transparent pixels usually hold black or white. A network would mix that into the visible edge, which
shows as a dark or bright fringe. So before the network they take on nearby visible colours ("bleeding"); the
alpha plane itself is enlarged by bicubic, which has no colours to invent.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.image.resize import imresize

Pixels = npt.NDArray[Any]
Level = npt.NDArray[Any]
"""One level of the pyramid, float32 (h, w, 4): colour times weight, then weight; or (h, w, 3) colours."""

_BLOCK_ROWS = 128
_NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))


def enlarge_alpha(alpha: Pixels, scale: Fraction | int) -> Pixels:
    """Enlarge an (H, W) alpha plane by bicubic with clamped edges; same dtype, size ceil(scale * size)."""
    return imresize(alpha, scale, edge="clamp")


def fill_transparent(rgb: Pixels, alpha: Pixels) -> Pixels:
    """Return (H, W, 3) pixels whose fully transparent ones have nearby visible colours.

    Pull-push (Gortler et al., 1996): colours weighted by alpha are averaged into ever smaller pictures, and
    holes are filled from the next smaller one that knows a colour. Visible pixels stay untouched; a picture
    without transparent, or without visible, pixels is returned as it is.
    """
    if bool(np.all(alpha > 0)) or not bool(np.any(alpha)):
        return rgb
    pyramid = [_first_level(rgb, alpha)]
    while max(pyramid[-1].shape[:2]) > 1:
        pyramid.append(_halved(pyramid[-1]))
    colours = _normalised(pyramid.pop())
    while pyramid:
        colours = _pushed(pyramid.pop(), colours)
    out = _filled(rgb, alpha, colours)
    _match_edge(out, alpha)
    return out


def _first_level(rgb: Pixels, alpha: Pixels) -> Level:
    """The half-size level, made in blocks of rows so that no float copy of the whole picture exists."""
    height, width = alpha.shape
    level = np.empty(((height + 1) // 2, (width + 1) // 2, 4), np.float32)
    peak = np.float32(np.iinfo(alpha.dtype).max)
    for top in range(0, height, _BLOCK_ROWS):
        weight = alpha[top : top + _BLOCK_ROWS, :, None].astype(np.float32) / peak
        block = np.concatenate([rgb[top : top + _BLOCK_ROWS] * weight, weight], axis=2)
        half = _halved(block)
        level[top // 2 : top // 2 + len(half)] = half
    return level


def _halved(level: Level) -> Level:
    """Sum blocks of 2x2; an odd last row or column stands alone."""
    height, width = level.shape[:2]
    padded = np.pad(level, ((0, height % 2), (0, width % 2), (0, 0)))
    rows = padded[0::2] + padded[1::2]
    half = rows[:, 0::2] + rows[:, 1::2]
    # Weights are capped, not averaged, so that a single visible pixel counts fully against empty neighbours.
    weight = half[..., 3:]
    return half / np.maximum(weight, 1.0)


def _normalised(level: Level) -> Level:
    return level[..., :3] / np.maximum(level[..., 3:], np.float32(1e-6))


def _pushed(level: Level, smaller: Level) -> Level:
    """Complete a level's colours: its own as far as their weight goes, the rest from the smaller level."""
    missing = 1.0 - np.minimum(level[..., 3:], 1.0)
    height, width = level.shape[:2]
    return level[..., :3] + missing * _doubled(smaller, height, width)


def _doubled(colours: Level, height: int, width: int) -> Level:
    """Enlarge by two, each pixel three quarters its parent and one quarter its nearer neighbour, per axis."""
    for axis, size in ((0, height), (1, width)):
        parent = np.arange(size) // 2
        neighbour = np.clip(parent + np.where(np.arange(size) % 2, 1, -1), 0, colours.shape[axis] - 1)
        near, far = colours.take(parent, axis=axis), colours.take(neighbour, axis=axis)
        colours = np.float32(0.75) * near + np.float32(0.25) * far
    return colours


def _filled(rgb: Pixels, alpha: Pixels, half: Level) -> Pixels:
    """Give every transparent pixel the colour of its 2x2 block."""
    out = rgb.copy()
    peak = np.iinfo(rgb.dtype).max
    for top in range(0, len(alpha), _BLOCK_ROWS):
        rows, columns = np.nonzero(alpha[top : top + _BLOCK_ROWS] == 0)
        colours = half[(rows + top) // 2, columns // 2]
        out[rows + top, columns] = np.clip(np.floor(colours + 0.5), 0, peak).astype(rgb.dtype)
    return out


def _match_edge(out: Pixels, alpha: Pixels) -> None:
    """Give transparent pixels that touch visible ones the mean of exactly those, in place.

    The pyramid also brings in colours from deeper inside, and the enlarged edge is made of this one ring.
    """
    rows, columns = np.nonzero(_next_to(alpha > 0))
    total, colour = np.zeros((len(rows), 1), np.float32), np.zeros((len(rows), 3), np.float32)
    for dy, dx in _NEIGHBOURS:
        y, x = np.clip(rows + dy, 0, len(out) - 1), np.clip(columns + dx, 0, out.shape[1] - 1)
        weight = alpha[y, x, None].astype(np.float32)
        total += weight
        colour += out[y, x] * weight
    out[rows, columns] = np.floor(colour / total + 0.5).astype(out.dtype)


def _next_to(known: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Unknown pixels that touch a known one, also at a corner."""
    rows = known.copy()
    rows[1:] |= known[:-1]
    rows[:-1] |= known[1:]
    near = rows.copy()
    near[:, 1:] |= rows[:, :-1]
    near[:, :-1] |= rows[:, 1:]
    return near & ~known
