"""What the layers of one run share."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sparsesr._native import PixelMask
from sparsesr.runtime.buffers import F32, Map, Window
from sparsesr.runtime.outside import Surroundings
from sparsesr.runtime.plan import Grid

Image = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


class Weights(UserDict[str, F32]):
    """The tensors of one node by role."""

    def __init__(self, arrays: Mapping[str, F32], dtype: str, around: Surroundings) -> None:
        super().__init__(arrays)
        self.dtype = dtype
        """Type of the maps that they are multiplied with, as kernels name it."""
        self.around = around
        """Of a masked convolution: zeros outside its mask."""


@dataclass
class RunState:
    """What the nodes of one run read and write."""

    image: Image
    grid: Grid
    threads: int
    mask_bias: float
    windows: dict[str, Window] = field(default_factory=dict[str, Window])
    masks: dict[str, PixelMask] = field(default_factory=dict[str, PixelMask])
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict[str, "NDArray[np.float64]"])
    vectors: dict[str, F32] = field(default_factory=dict[str, F32])

    def placed(self, name: str) -> tuple[Map, int]:
        """A map's window and its first row."""
        return self.windows[name].placed
