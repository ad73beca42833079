"""Near-duplicates of pictures: the same photograph in another size, crop, rotation or mirroring.

The centre of one picture slides over the other, both shrunk so far that it is 16x16, at several scales, in the eight
rotations and mirrorings. Where it fits best, the search is repeated at 32x32. *Gradients* are compared: whatever the
brightness, those of copies agree, by a correlation near 1, while skies resemble each other in their grey levels only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvips
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparsesr.errors import InputError
from sparsesr.image.source import printable

Grey = NDArray[np.floating]

MIN_LIKENESS = 0.8
"""Copies reach 0.9, also as crops in JPEG. Others stay below 0.6, and with little but an edge in them near 0.8."""

_READ_PX = 256
_SLID_PX, _MIN_SLID = 16, 0.5
_CONFIRMED_PX = 32
_BLOCK = 1024
"""Templates that slide at a time: bounds memory."""
_CENTRES = (1.0, 0.6)
"""Sides of the central squares that slide, as shares of the shorter side. The smaller finds pictures that overlap."""
_SHARES = (0.3, 0.35, 0.41, 0.48, 0.56, 0.66, 0.77, 0.88, 1.0)
"""Sides of the squares that they are compared with, as shares of the other picture's shorter side."""
_FINE_SCALES = (0.89, 0.92, 0.95, 0.975, 1.0, 1.025, 1.05, 1.08, 1.12)
_MARGIN = 0.15


@dataclass(frozen=True)
class NearDuplicate:
    """Indices of two pictures, and the correlation of their gradients at the best place."""

    candidate: int
    reference: int
    likeness: float


@dataclass(frozen=True)
class _Place:
    """A square of a picture, in pixels, and the template that it resembles."""

    top: float
    left: float
    side: float
    template: int
    correlation: float


def read_grey(path: Path) -> Grey:
    """Read a picture upright in grey, (H, W) in 0..255, shrunk while it is decoded.

    Raises:
        InputError: the file cannot be read as an image.
    """
    try:
        data = path.read_bytes()  # pyvips takes no names that are not UTF-8
        image = pyvips.Image.thumbnail_buffer(
            data, _READ_PX, height=_READ_PX, size="down", fail_on="truncated"
        )
        image = image.flatten() if image.hasalpha() else image
        grey = image.colourspace("b-w").cast("float")
        return grey.numpy().reshape(grey.height, grey.width)
    except (OSError, pyvips.Error):
        raise InputError("cannot be read as an image", where=printable(path)) from None


def near_duplicates(candidates: Sequence[Grey], references: Sequence[Grey]) -> list[NearDuplicate]:
    """Pairs of grey pictures (H, W) of which one holds the centre of the other, in order of the candidates."""
    best: dict[tuple[int, int], float] = {}
    for pairs, turned in (
        (_holding(candidates, references), False),
        (_holding(references, candidates), True),
    ):
        for holder, held, likeness in pairs:
            key = (held, holder) if turned else (holder, held)
            best[key] = max(likeness, best.get(key, 0.0))
    return [NearDuplicate(*key, likeness) for key, likeness in sorted(best.items())]


def _holding(pictures: Sequence[Grey], held: Sequence[Grey]) -> list[tuple[int, int, float]]:
    """(index of a picture, index of the held one, likeness) where a centre of ``held`` is in a picture."""
    if not pictures or not held:
        return []
    squares = [(i, view) for i, picture in enumerate(held) for view in _views(torch.tensor(picture).float())]
    templates_M2NN = torch.cat([_template(view, _SLID_PX) for _, view in squares])
    found: list[tuple[int, int, float]] = []
    for index, picture in enumerate(pictures):
        image_11HW = torch.tensor(picture).float()[None, None]
        best: dict[int, _Place] = {}
        for place in _similar_places(image_11HW, templates_M2NN):
            owner = squares[place.template][0]
            if owner not in best or place.correlation > best[owner].correlation:
                best[owner] = place
        for owner, place in best.items():
            likeness = _gradient_likeness(image_11HW, place, squares[place.template][1])
            if likeness >= MIN_LIKENESS:
                found.append((index, owner, likeness))
    return found


def _views(picture_HW: Tensor) -> list[Tensor]:
    """Central squares, (1, 1, side, side), in eight rotations and mirrorings."""
    views: list[Tensor] = []
    height, width = picture_HW.shape
    for share in _CENTRES:
        side = max(1, round(share * min(height, width)))
        top, left = (height - side) // 2, (width - side) // 2
        square = picture_HW[top : top + side, left : left + side]
        rotated = [torch.rot90(square, turns) for turns in range(4)]
        views += [view[None, None] for turned in rotated for view in (turned, turned.T)]
    return views


def _similar_places(image_11HW: Tensor, templates_M2NN: Tensor) -> list[_Place]:
    """The most similar place of every template at every scale, if it is similar there."""
    height, width = image_11HW.shape[2:]
    places: list[_Place] = []
    for share in _SHARES:
        factor = _SLID_PX / (share * min(height, width))
        shape = (max(_SLID_PX, round(height * factor)), max(_SLID_PX, round(width * factor)))
        gradients_12YX = _gradients(_resized(image_11HW, shape))
        best = [_slid(gradients_12YX, block).flatten(1).max(1) for block in templates_M2NN.split(_BLOCK)]
        value_M, position_M = (torch.cat(parts) for parts in zip(*best, strict=True))
        for template in torch.nonzero(value_M > _MIN_SLID)[:, 0].tolist():
            top, left = divmod(int(position_M[template]), shape[1] - _SLID_PX + 1)
            found = top / factor, left / factor, _SLID_PX / factor, template, float(value_M[template])
            places.append(_Place(*found))
    return places


def _slid(gradients_12HW: Tensor, templates_M2NN: Tensor) -> Tensor:
    """Correlations, (M, Y, X), of templates with all squares of an image; 0 at plain squares."""
    size = templates_M2NN.shape[2]
    mean, mean_square = (
        nn.functional.avg_pool2d(x, size, stride=1) for x in (gradients_12HW, gradients_12HW.square())
    )
    variance = (mean_square - mean.square()).sum(1, keepdim=True)
    deviation = (size * size * variance).clamp_min(1e-6).sqrt()
    correlation = nn.functional.conv2d(gradients_12HW, templates_M2NN) / deviation
    return torch.where(deviation > size, correlation, 0)[0]


def _gradient_likeness(image_11HW: Tensor, place: _Place, view_11SS: Tensor) -> float:
    """The highest correlation of gradients near a place, at slightly different scales."""
    size = _CONFIRMED_PX
    template_12NN = _template(view_11SS, size)
    margin = _MARGIN * place.side
    height, width = image_11HW.shape[2:]
    top, left = (max(0, round(at - margin)) for at in (place.top, place.left))
    bottom = min(height, round(place.top + place.side + margin))
    right = min(width, round(place.left + place.side + margin))
    region = image_11HW[:, :, top:bottom, left:right]
    best = 0.0
    for scale in _FINE_SCALES:
        factor = scale * size / place.side
        shape = round((bottom - top) * factor), round((right - left) * factor)
        if min(shape) >= size:
            best = max(best, float(_slid(_gradients(_resized(region, shape)), template_12NN).max()))
    return best


def _gradients(image_11HW: Tensor) -> Tensor:
    """Differences along both axes, (1, 2, H - 1, W - 1)."""
    corner = image_11HW[:, :, :-1, :-1]
    return torch.cat([image_11HW[:, :, 1:, :-1] - corner, image_11HW[:, :, :-1, 1:] - corner], 1)


def _template(square_11SS: Tensor, size: int) -> Tensor:
    """Gradients of a square shrunk to ``size``, (1, 2, size - 1, size - 1): zero mean, unit length; 0 if plain."""
    gradients = _gradients(_resized(square_11SS, (size, size)))
    gradients = gradients - gradients.mean((2, 3), keepdim=True)
    length = gradients.norm()
    return gradients / length if length > size else torch.zeros_like(gradients)


def _resized(image_11HW: Tensor, shape: tuple[int, int]) -> Tensor:
    """Area means if the image becomes smaller."""
    mode = "area" if shape[0] <= image_11HW.shape[2] else "bilinear"
    return nn.functional.interpolate(image_11HW, shape, mode=mode)
