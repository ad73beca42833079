"""Transparency: filling of transparent pixels for the network, and upscaling of the alpha plane.

Fully transparent pixels usually hold black or white, which a network would mix into the visible edge as a dark
or bright fringe. They are therefore filled with nearby visible colours before the network runs ("bleeding").
The alpha plane itself is upscaled by bicubic, since it has no detail for a network to restore.
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


def upscale_alpha(alpha: Pixels, scale: Fraction | int) -> Pixels:
    """Upscale an (H, W) alpha plane by bicubic with clamped edges; same dtype, size ceil(scale * size)."""
    return imresize(alpha, scale, edge="clamp")


def fill_transparent(rgb: Pixels, alpha: Pixels) -> Pixels:
    """Return (H, W, 3) pixels with fully transparent ones replaced by nearby visible colours.

    Pull-push (Gortler et al., 1996): colours weighted by alpha are averaged into ever smaller levels, and
    holes are filled from the next smaller level that has a colour. Visible pixels stay untouched; ``rgb``
    itself is returned if no pixel is fully transparent or none is visible.
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
    """The half-size level, computed in blocks of rows to avoid a float copy of the whole image."""
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
    """Complete the colours of a level: its own up to their weight, the rest from the smaller level."""
    missing = 1.0 - np.minimum(level[..., 3:], 1.0)
    height, width = level.shape[:2]
    return level[..., :3] + missing * _doubled(smaller, height, width)


def _doubled(colours: Level, height: int, width: int) -> Level:
    """Upscale by two; on each axis a pixel is 3/4 of its parent and 1/4 of the parent's nearer neighbour."""
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
    """Set transparent pixels that touch visible ones to the mean of exactly those, in place.

    The pyramid also mixes in colours from further inside, and the upscaled edge is computed from this one ring.
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
    """Unknown pixels that touch a known one, corners included."""
    rows = known.copy()
    rows[1:] |= known[:-1]
    rows[:-1] |= known[1:]
    near = rows.copy()
    near[:, 1:] |= rows[:, :-1]
    near[:, :-1] |= rows[:, 1:]
    return near & ~known
