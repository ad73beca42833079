"""Buffers of one run of the native backend."""

from __future__ import annotations

from sparsesr import _native
from sparsesr.runtime.backend.interface import Image
from sparsesr.runtime.backend.native import window
from sparsesr.runtime.backend.native.run_state import NativeRunState
from sparsesr.runtime.plan.execution_plan import ExecutionPlan


class NativeArena:
    """Windows and masks. Borders hold what stands for zero from the start; no kernel writes to them."""

    def __init__(self, plan: ExecutionPlan) -> None:
        self.plan = plan
        self._windows = window.windows_of_zeros(plan.buffers)
        self._masks = [_native.PixelMask(plan.grid.height, plan.grid.width) for _ in range(plan.masks)]

    def start(self, image: Image, threads: int, mask_bias: float) -> NativeRunState:
        """Start a run."""
        zeros = [shape.zero for shape in self.plan.buffers]
        return NativeRunState(self._windows, zeros, self._masks, self.plan.grid, image, threads, mask_bias)
