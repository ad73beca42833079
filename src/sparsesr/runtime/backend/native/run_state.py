"""What the layers of one run share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sparsesr import _native
from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.runtime.backend.interface import F32, Image
from sparsesr.runtime.backend.native.window import Map, Window
from sparsesr.runtime.plan.execution_plan import PlannedSegment
from sparsesr.runtime.plan.grid import Grid


@dataclass
class NativeRunState:
    """What the nodes of one run read and write."""

    buffers: Sequence[Map]
    pixel_masks: Sequence[_native.PixelMask]
    grid: Grid
    image: Image
    threads: int
    mask_bias: float
    windows: dict[str, Window] = field(default_factory=dict[str, Window])
    masks: dict[str, _native.PixelMask] = field(default_factory=dict[str, _native.PixelMask])
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict[str, "NDArray[np.float64]"])
    vectors: dict[str, F32] = field(default_factory=dict[str, F32])

    def placed(self, name: str) -> tuple[Map, int]:
        """A map's window and its first row."""
        return self.windows[name].placed

    def begin(self, planned: PlannedSegment) -> None:
        """Make empty maps and masks for a segment."""
        self.windows = {
            name: Window(self.buffers[place.buffer], place) for name, place in planned.places.items()
        }
        for entry in planned.segment.nodes:
            if entry.output.kind is Kind.MASK:
                mask = self.masks[entry.node.output] = self.pixel_masks[planned.masks[entry.node.output]]
                mask.clear()

    def make_room(self, name: str, keep: int, done: int) -> None:
        """Forget the rows of a map before `keep`; rows before `done` have been written."""
        if name in self.windows:
            self.windows[name].make_room(keep, done)

    def finish(self, name: str) -> None:
        """Note that a map has all of its rows."""
        if name in self.windows:
            self.windows[name].finish()

    def store(self, name: str, result: Image, r0: int, r1: int) -> None:
        """Copy rows [r0, r1) of a map into the result, converted to its type."""
        _native.store_rows(*self.placed(name), result, r0, r1, self.threads)

    def active_pixels(self, mask: str) -> int:
        """Active pixels of a whole mask."""
        return self.masks[mask].n_active

    def mask_image(self, mask: str, height: int, width: int) -> NDArray[np.bool_]:
        """A whole mask, of the top left `height` x `width` pixels."""
        pixels = self.masks[mask].active(0, self.grid.height)
        rows, columns = np.divmod(pixels, self.grid.width + 2)
        inside = (rows < height) & (columns <= width)
        image = np.zeros((height, width), np.bool_)
        image[rows[inside], columns[inside] - 1] = True
        return image
