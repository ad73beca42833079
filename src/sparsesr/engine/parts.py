"""Two ways to compute the changed part of a frame: pixel by pixel, and in windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sparsesr.engine.changes import Flags, boxes_of, tiles_of
from sparsesr.engine.check import suspicious_shift
from sparsesr.engine.execute import Network, RunOptions
from sparsesr.engine.plan import Box, Mode
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.route import Route
from sparsesr.engine.tiles import paste
from sparsesr.engine.upscaler import Upscaler
from sparsesr.runtime.changed_run import KeptResult

Pixels = npt.NDArray[Any]

_LARGEST_SHARE = 0.9
"""Windows with more of the frame's pixels than this are no saving."""
_LARGEST_CHANGE = 0.25
"""If more of the pixels than this have changed, nearly all depend on them: 98 % on a film."""
_BYTES_PER_PX = 40
"""Memory for sets and lists of pixels, and for buffers beyond those of a whole frame, at most."""


@dataclass(frozen=True)
class Part:
    """What was computed of a frame."""

    changed: tuple[Box, ...]
    """Where the result may have changed, in pixels of the input."""
    computed_px: int
    """Pixels of the input that the network ran over, halos included."""
    notes: tuple[str, ...] = ()


class Parts(Protocol):
    """A way to compute parts of frames."""

    keeps_masks: bool
    """Whether whole frames must be computed with their masks."""

    def start(self, whole: UpscaleResult) -> None:
        """Take over the result of a whole frame."""
        ...

    def update(self, frame: Pixels, changed: Flags, image: Pixels) -> Part | None:
        """Compute what changed in a frame, into the enlarged frame before it.

        None if the frame must be computed whole: it has too many changes, or an implausible result.
        """
        ...


def bytes_for_parts(network: Network, size: tuple[int, int]) -> int:
    """Memory for parts of frames of (height, width), beside that for whole ones."""
    return _BYTES_PER_PX * size[0] * size[1] if network.session.computes_parts(*size) else 0


def parts_of(
    upscaler: Upscaler, network: Network, route: Route, size: tuple[int, int], options: RunOptions
) -> Parts:
    """The way for a network that runs over frames of (height, width) in one piece."""
    if network.session.computes_parts(*size):
        return PixelParts(network, route, options)
    return WindowParts(upscaler, network, route, options)


class PixelParts:
    """Only pixels that changes can reach through the network, and those that they depend on; exact."""

    keeps_masks = True

    def __init__(self, network: Network, route: Route, options: RunOptions) -> None:
        self._network, self._options = network, options
        self._low_memory = route.plans[0].mode is Mode.LOW_MEMORY
        self._mask: Flags | None = None

    def start(self, whole: UpscaleResult) -> None:
        """Keep the mask."""
        self._mask = whole.masks[0] if whole.masks else None

    def update(self, frame: Pixels, changed: Flags, image: Pixels) -> Part | None:
        """Run the network at the pixels that need it."""
        if self._mask is None or changed.mean() > _LARGEST_CHANGE:
            return None
        kept = KeptResult(image, self._mask)
        run = self._network.session.run_changed(
            frame,
            changed,
            kept,
            effort=self._options.effort,
            low_memory=self._low_memory,
            cancelled=self._options.cancelled,
        )
        self._mask = kept.mask
        boxes = boxes_of(run.result)
        is_plausible = all(self._is_plausible(frame, image, box) for box in boxes)
        return Part(boxes, run.computed_px) if is_plausible else None

    def _is_plausible(self, frame: Pixels, image: Pixels, box: Box) -> bool:
        scale = self._network.scale
        enlarged = image[box.enlarged(scale).slices]
        return suspicious_shift(frame[box.slices], enlarged, scale, {}, self._network.name) is None


class WindowParts:
    """Blocks with changes and their halo, in windows with another halo; for networks with attention nearly exact."""

    keeps_masks = False

    def __init__(self, upscaler: Upscaler, network: Network, route: Route, options: RunOptions) -> None:
        self._upscaler, self._network, self._route, self._options = upscaler, network, route, options

    def start(self, whole: UpscaleResult) -> None:
        """Keep the attention."""
        self._options = replace(self._options, attention=dict(whole.run.attention) or None)

    def update(self, frame: Pixels, changed: Flags, image: Pixels) -> Part | None:
        """Run the network over windows."""
        size = frame.shape[0], frame.shape[1]
        tiles = tiles_of(changed, size, self._network.halo_px, self._network.multiple)
        computed = sum(tile.window.area for tile in tiles)
        if computed > _LARGEST_SHARE * size[0] * size[1]:
            return None
        notes: list[str] = []
        for tile in tiles:
            window = np.ascontiguousarray(frame[tile.window.slices])
            done = self._upscaler.upscale_part(window, self._route, self._options)
            paste(image, done.image, tile, self._network.scale)
            notes += done.notes
        return Part(tuple(tile.core for tile in tiles), computed, tuple(notes))
