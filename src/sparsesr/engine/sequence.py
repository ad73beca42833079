"""``FrameSequence``: the frames of a clip, of which only what changed is computed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.changes import changed_pixels, settled
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.parts import Parts, bytes_for_parts, parts_of
from sparsesr.engine.plan import Box, Mode
from sparsesr.engine.route import Route
from sparsesr.engine.tiles import Deviation, compared
from sparsesr.engine.upscaler import Upscaler

Pixels = npt.NDArray[Any]

_NOTICEABLE_LEVELS = 1.0
"""A deviation, in levels of 255, after which frames are computed whole."""


@dataclass(frozen=True)
class FrameResult:
    """An enlarged frame."""

    image: Pixels
    """(H, W, 3); overwritten when the next frame is enlarged."""
    changed: tuple[Box, ...]
    """Where it may differ from the frame before, in pixels of the input; empty for an identical frame."""
    computed_px: int
    """Pixels of the input that the network ran over, halos included."""
    notes: tuple[str, ...] = ()


class FrameSequence:
    """Enlarges frames of one size, one after another.

    A frame equal to the one before costs nothing. Pixels that changes do not reach are kept: for networks without an
    operation over the whole picture these are the bits of the whole frame. Channel attention depends on the whole
    picture; such networks keep the attention of the latest whole frame. On frames at growing distances the whole frame
    is computed too, compared (:attr:`deviation`) and taken over; if it differs by more than a level of 255, so are all
    until the next restart. Networks whose pixels attend to each other, sizes that take several networks or a resize,
    and frames that need tiles are computed whole.
    """

    def __init__(
        self,
        upscaler: Upscaler,
        size: tuple[int, int],
        dtype: np.dtype[Any],
        options: RunOptions,
        *,
        tolerance: float | None = 0.0,
        encoder_bytes: int = 0,
    ) -> None:
        """Plan for frames of (height, width).

        ``tolerance``: the largest change of a sample, 0..1, at which a pixel counts as unchanged; it then keeps its
        input too, so that changes cannot add up. None: every frame is computed whole, identical ones too.
        ``encoder_bytes``: memory that the caller needs beside. LimitError if the memory is too small.
        """
        pixels = np.broadcast_to(np.zeros(1, dtype), (*size, 3))
        network = upscaler.network_for(upscaler.route(*size).scales[0])
        beside = 0 if tolerance is None else bytes_for_parts(network, size)
        self.route: Route = upscaler.planned_route(pixels, encoder_bytes=encoder_bytes + beside)
        self.deviation: Deviation | None = None
        """The largest of kept from whole frames that was measured and accepted; None if there is none."""
        self._upscaler, self._tolerance = upscaler, tolerance
        self._area = size[0] * size[1]
        self._has_attention = network.has_attention
        is_one_run = len(self.route.scales) == 1 and not self.route.is_resized
        is_local = is_one_run and self.route.plans[0].mode in (Mode.WHOLE, Mode.LOW_MEMORY)
        self._parts: Parts | None = None
        if is_local and tolerance is not None:
            self._parts = parts_of(upscaler, network, self.route, size, options)
        self._options = replace(options, keep_masks=self._parts is not None and self._parts.keeps_masks)
        self.restart()

    def restart(self) -> None:
        """Forget the frames so far: the next one is computed whole."""
        self._input: Pixels | None = None
        self._image: Pixels | None = None
        self._keeps_parts = self._parts is not None
        self._since_whole, self._next_measured = 0, 1

    def reserved(self) -> AbstractContextManager[None]:
        """Hold the memory of the clip for the block; waits while other jobs hold it."""
        return self._upscaler.reserved(self.route, self._options.cancelled)

    def enlarged(self, frame: Pixels) -> FrameResult:
        """Enlarge (H, W, 3) pixels. Raises CancelledError or ResultError."""
        if self._input is None or self._image is None or self._tolerance is None:
            return self._whole(frame)
        changed = changed_pixels(self._input, frame, self._tolerance)
        if not changed.any():
            return FrameResult(self._image, (), 0)
        if self._parts is None or not self._keeps_parts:
            return self._whole(frame)
        now = settled(self._input, frame, changed) if self._tolerance else frame
        part = self._parts.update(now, changed, self._image)
        if part is None:
            return self._whole(frame)
        self._input = now
        patched = FrameResult(self._image, part.changed, part.computed_px, part.notes)
        return self._measured(now, patched) if self._has_attention else patched

    def _whole(self, frame: Pixels) -> FrameResult:
        result, _ = self._upscaler.upscale_planes(frame, None, self.route, self._options)
        self._input, self._image = frame, result.image
        if self._parts is not None:
            self._parts.start(result)
        self._since_whole, self._next_measured = 0, 1
        everywhere = Box(0, 0, frame.shape[0], frame.shape[1])
        return FrameResult(result.image, (everywhere,), self._area, result.notes)

    def _measured(self, frame: Pixels, patched: FrameResult) -> FrameResult:
        """The patched frame, or at growing distances the whole one, compared with it."""
        self._since_whole += 1
        if self._since_whole < self._next_measured:
            return patched
        kept, distance = patched.image.copy(), 2 * self._since_whole
        whole = self._whole(frame)
        found = compared(whole.image, kept)
        notes = (*patched.notes, *whole.notes)
        if found.max_levels > _NOTICEABLE_LEVELS:
            self._keeps_parts = False
            notes = (
                *notes,
                f"parts deviated from whole frames by {found.max_levels:.2g}/255: computed whole",
            )
        elif self.deviation is None or found.max_levels > self.deviation.max_levels:
            self.deviation = found
        self._next_measured = distance
        return replace(whole, computed_px=patched.computed_px + whole.computed_px, notes=notes)
