"""The price of an effort: what the last active pixel gained that it added, on the photographs of the calibration.

An effort moves the threshold of the masks, so with one effort for all images, all pay the same price for their last
active pixel: nearly what a budget wants. An image whose pixels gain more than their gaps say gets a lower threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float64]
_LEAST = 1e-6
"""Share of pixels below which an effort adds none."""


def effort_prices(densities: Sequence[float] | Curve, gains: Sequence[float] | Curve) -> Curve:
    """Gain per added active pixel, from each of ascending efforts to the next; falling, never negative.

    Args:
        densities: mean density with each effort.
        gains: mean gain of a pixel with each effort.
    """
    density, gain = np.asarray(densities, np.float64), np.asarray(gains, np.float64)
    corners = _concave_corners(density, gain)
    highest = np.interp(density, density[corners], gain[corners])
    added = np.diff(density)
    return np.divide(np.diff(highest), added, out=np.zeros(len(added)), where=added > _LEAST)


def _concave_corners(density: Curve, gain: Curve) -> list[int]:
    """Corners of the smallest concave and rising curve above all points."""
    corners = [0]
    for point in range(1, len(density)):
        if gain[point] <= gain[corners[-1]] or density[point] <= density[corners[-1]]:
            continue
        while len(corners) > 1 and _is_below(corners[-2], corners[-1], point, density, gain):
            corners.pop()
        corners.append(point)
    return corners


def _is_below(first: int, middle: int, last: int, density: Curve, gain: Curve) -> bool:
    """True if the middle point is not above the line from the first to the last."""
    rise, run = gain[middle] - gain[first], density[middle] - density[first]
    return bool((gain[last] - gain[first]) * run >= rise * (density[last] - density[first]))
