"""State that the layers of one run share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from sparsesr import _native
from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.runtime.backend.interface import F32, Image
from sparsesr.runtime.backend.native.window import Map, Reached, Window
from sparsesr.runtime.graph.number_types import Steps
from sparsesr.runtime.graph.quantised_copies import QuantisedCopy
from sparsesr.runtime.graph.zero_fill import ZeroFill
from sparsesr.runtime.pixel_sets import PixelSet
from sparsesr.runtime.plan.execution_plan import PlannedSegment
from sparsesr.runtime.plan.grid import Grid


@dataclass
class NativeRunState:
    """Maps, masks and vectors that the nodes of one run read and write."""

    buffers: Sequence[Map]
    zeros: Sequence[int]
    """What stands for zero in each buffer."""
    pixel_masks: Sequence[_native.PixelMask]
    grid: Grid
    image: Image
    threads: int
    mask_bias: float
    windows: dict[str, Window] = field(default_factory=dict[str, Window])
    masks: dict[str, _native.PixelMask] = field(default_factory=dict[str, _native.PixelMask])
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict[str, "NDArray[np.float64]"])
    fills: dict[str, ZeroFill] = field(default_factory=dict[str, ZeroFill])
    """The zero fill that each masked map still has to do."""
    vectors: dict[str, F32] = field(default_factory=dict[str, F32])
    chosen: dict[str, tuple[PixelSet, int]] = field(default_factory=dict[str, tuple[PixelSet, int]])
    """The only pixels of a map that need be computed, and its width; others are needed everywhere."""
    _lists: dict[str, _native.PixelList] = field(default_factory=dict[str, _native.PixelList])

    def placed(self, name: str) -> tuple[Map, int]:
        """A map's window and its first row."""
        return self.windows[name].placed

    def placed_copy(self, copy: QuantisedCopy | None) -> tuple[NDArray[np.uint8], int, Steps] | None:
        """The window of a copy, its first row and its steps; None if this segment has no use for it."""
        if copy is None or copy.name not in self.windows:
            return None
        array, row0 = self.placed(copy.name)
        return cast("NDArray[np.uint8]", array), row0, copy.steps

    def begin(self, planned: PlannedSegment) -> None:
        """Prepare empty maps and masks for a segment."""
        windows = {
            place.buffer: Window(self.buffers[place.buffer], place, self.zeros[place.buffer])
            for place in planned.places.values()
        }
        self.windows = {name: windows[place.buffer] for name, place in planned.places.items()}
        for name, window in self.windows.items():
            window.written[name] = None
        for entry in planned.segment.nodes:
            if entry.output.kind is Kind.MASK:
                mask = self.masks[entry.node.output] = self.pixel_masks[planned.masks[entry.node.output]]
                mask.clear()

    def claim_fill(self, name: str, fill: ZeroFill) -> None:
        """Record the zero fill of a masked map: nowhere if an earlier map in its window has done it already."""
        window = self.windows[name]
        self.fills[name] = ZeroFill.NOWHERE if window.zeros.covers(fill) else fill
        if not window.zeros.covers(fill):
            window.zeros = fill

    def claim_pixels(self, name: str, mask: str, reach: int) -> None:
        """Record that a map has values, which anything reads, only within ``reach`` of active pixels of a mask."""
        if name in self.windows:
            self.windows[name].written[name] = Reached(mask, reach)

    def make_room(self, name: str, keep: int, end: int) -> None:
        """Drop the rows before `keep` from a map's window; the rows up to `end` are written next."""
        if name in self.windows:
            self.windows[name].make_room(keep, end, self.masks, self.threads)

    def finish(self, name: str) -> None:
        """Mark a map as complete."""
        if name in self.windows:
            self.windows[name].finish()

    def active_pixels(self, mask: str) -> int:
        """Number of active pixels of a complete mask."""
        return self.masks[mask].n_active

    def reached_pixels(self, mask: str, reach: int) -> int:
        """Number of pixels within ``reach`` of an active one of a complete mask."""
        return _native.count_reached(self.masks[mask], reach)

    def mask_image(self, mask: str, height: int, width: int) -> NDArray[np.bool_]:
        """The top left `height` x `width` pixels of a complete mask."""
        return self.masks[mask].image(height, width)

    def mask_pixels(self, mask: str) -> PixelSet:
        """The active pixels of a complete mask."""
        return self.masks[mask].words()

    def set_mask(self, mask: str, active: PixelSet) -> None:
        """Replace a complete mask."""
        self.masks[mask].fill(active, self.threads)

    def compute_only(self, name: str, pixels: PixelSet, width: int) -> None:
        """Leave out all other pixels of a map, of this width, where the layer can; they may have any value."""
        self.chosen[name] = pixels, width

    def wanted(self, name: str) -> PixelSet | None:
        """The only pixels of a map that need be computed, as a set; None: all of them."""
        return self.chosen[name][0] if name in self.chosen else None

    def listed(self, name: str) -> _native.PixelList | None:
        """The same as a list."""
        if name not in self.chosen:
            return None
        if name not in self._lists:
            self._lists[name] = _native.PixelList(*self.chosen[name])
        return self._lists[name]
