"""A run that computes only what a change of the image can change in a kept result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsesr.runtime.backend.interface import Image, RunState
from sparsesr.runtime.graph.changed_parts import ChangedParts
from sparsesr.runtime.pixel_sets import PixelSet, count_of, flags_of, pixel_set, shrunk, spread


@dataclass
class KeptResult:
    """The result of the latest image of a clip; runs on changed images update it."""

    image: Image
    """(scale * H, scale * W, 3)."""
    mask: NDArray[np.bool_]
    """(H, W), True at active pixels."""


class ChangedRun:
    """Decides, segment by segment, which pixels of each map a run computes."""

    def __init__(self, parts: ChangedParts, kept: KeptResult, changed: NDArray[np.bool_]) -> None:
        self._parts, self._kept = parts, kept
        self._changed, self._width = pixel_set(changed), changed.shape[1]
        self._computed = np.zeros_like(self._changed)
        self._result = self._computed
        self._rows_before: dict[str, list[int]] = {}

    @property
    def computed_px(self) -> int:
        """Pixels at which any layer ran."""
        return count_of(self._computed)

    @property
    def result(self) -> NDArray[np.bool_]:
        """(H, W): where pixels of the result were computed."""
        return flags_of(self._result, self._width)

    def begin(self, segment: int, state: RunState) -> None:
        """Prepare the state: the first segment computes the mask, the second one everything else."""
        if segment == 0:
            self._begin_mask(state)
        else:
            self._begin_rest(state)

    def needs(self, name: str, r0: int, r1: int) -> bool:
        """Whether any pixel of rows [r0, r1) of a map must be computed."""
        before = self._rows_before.get(name)
        return before is None or before[r1] > before[r0]

    def _begin_mask(self, state: RunState) -> None:
        parts, width = self._parts, self._width
        self._unsure = spread(self._changed, width, parts.reach_before_px[parts.image])
        for name, reach in parts.reach_before_px.items():
            if name != parts.mask:
                self._choose(state, name, spread(self._unsure, width, reach), parts.down[name])

    def _begin_rest(self, state: RunState) -> None:
        """The mask is computed where it may have changed; elsewhere it is as before."""
        parts, width = self._parts, self._width
        before = pixel_set(self._kept.mask)
        mask = (state.mask_pixels(parts.mask) & self._unsure) | (before & ~self._unsure)
        self._kept.mask = flags_of(mask, width)
        self._result = parts.result(self._changed, mask, before ^ mask, width)
        needed, active = parts.needed(self._result, mask, width)
        state.set_mask(parts.mask, active)
        with_border = _rows_before(spread(active, width, 1))
        self._rows_before.update(dict.fromkeys(parts.masked, with_border))
        for name, pixels in needed.items():
            self._choose(state, name, pixels, 1)
        del self._rows_before[parts.output]  # it counts in rows of the result

    def _choose(self, state: RunState, name: str, pixels: PixelSet, down: int) -> None:
        """Compute only these pixels of a map that is smaller than the image by the factor ``down``."""
        self._computed = self._computed | pixels
        own = pixels if down == 1 else shrunk(pixels, self._width, down)
        state.compute_only(name, own, self._width // down)
        self._rows_before[name] = _rows_before(own)


def _rows_before(pixels: PixelSet) -> list[int]:
    """For each row and the end, the number of rows before it that hold pixels."""
    return [0, *np.cumsum(pixels.any(axis=1)).tolist()]
