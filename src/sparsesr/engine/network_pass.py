"""``NetworkPass``: one network of a fixed scale, planned and run within a memory limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine import chop as chopping
from sparsesr.engine.arrays import upscaled_alpha, without_holes
from sparsesr.engine.budget import MemoryBudget
from sparsesr.engine.execute import Network, RunOptions, execute
from sparsesr.engine.plan import (
    PROCESS_BYTES,
    MemoryNeeds,
    Mode,
    PeakBytes,
    Plan,
    chopped_plan,
    make_plan,
    smaller_plan,
)
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.timed_run import effort_for_target, execute_for_target
from sparsesr.errors import MemoryShortError, check_cancelled
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.receptive_field import halo_px, sees_whole_image
from sparsesr.runtime.session import Session

Pixels = npt.NDArray[Any]


class NetworkPass:
    """A network with the choice of how it is run."""

    def __init__(self, model: ModelFile, *, threads: int | None, precision: str, inference: str) -> None:
        """Load the network of a model that is reduced to one scale; errors are those of :class:`Session`."""
        facts = model.facts
        self.inference = inference
        self.network = Network(
            model,
            Session(model, threads, precision),
            facts.name,
            facts.scale,
            halo_px(model),
            facts.size_multiple,
            sees_whole_image(model.graph),
        )
        self.weight_bytes = 2 * sum(tensor.nbytes for tensor in model.tensors.values())
        """Weights are stored twice: as read, and packed for the kernels."""

    @property
    def scale(self) -> int:
        """Output size / input size."""
        return self.network.scale

    def plan(
        self,
        size: tuple[int, int],
        dtype: np.dtype[Any],
        limit_bytes: int,
        *,
        has_alpha: bool,
        beside_bytes: int,
    ) -> Plan:
        """Plan a run over an image of (height, width); LimitError if ``limit_bytes`` are too few.

        ``beside_bytes``: memory in use beside the image, its result, alpha and the network.
        """
        height, width = size
        image_bytes = 3 * height * width * dtype.itemsize
        alpha_bytes = image_bytes // 3 * (1 + self.scale**2) if has_alpha else 0
        # Images with alpha are held twice: as passed in, and with transparent pixels filled for the network.
        held = image_bytes * (2 if has_alpha else 1) + alpha_bytes + beside_bytes + self.weight_bytes
        need = MemoryNeeds(
            height,
            width,
            held,
            image_bytes * self.scale**2,
            self.network.halo_px,
            self.network.multiple,
            2 if self.network.has_attention else 1,
        )
        is_large = height * width >= chopping.CHOP_PX
        run_bytes = self._run_bytes(dtype)
        if self.inference == "chopped" or (self.inference == "auto" and not self._may_tile and is_large):
            return chopped_plan(need, run_bytes, limit_bytes, chopping.chop(height, width))
        return make_plan(need, run_bytes, limit_bytes, may_tile=self._may_tile)

    def upscale(
        self, rgb: Pixels, alpha: Pixels | None, plan: Plan, options: RunOptions, budget: MemoryBudget
    ) -> tuple[UpscaleResult, Pixels | None]:
        """Upscale (H, W, 3) colours and (H, W) alpha separately, as planned; the memory is reserved in ``budget``."""
        pixels = without_holes(rgb, alpha)
        result = self._run_with_what_there_is(pixels, plan, options, budget)
        check_cancelled(options.cancelled)
        return result, upscaled_alpha(alpha, self.scale)

    def _run_with_what_there_is(
        self, pixels: Pixels, plan: Plan, options: RunOptions, budget: MemoryBudget
    ) -> UpscaleResult:
        """Run as planned, and with ever less memory whenever the system refuses it."""
        while True:
            try:
                self._check_memory(plan, pixels)
                result = self._run(pixels, plan, options, budget)
            except (MemoryError, MemoryShortError):
                pass  # leaving the handler frees what the failed run holds
            else:
                return replace(result, notes=(*_forced_note(plan), *result.notes))
            self.network.session.keep_buffers(0)
            plan = smaller_plan(plan, self._run_bytes(pixels.dtype), may_tile=self._may_tile)

    def _check_memory(self, plan: Plan, pixels: Pixels) -> None:
        """Raise MemoryError, before a plan is announced, if the system refuses what is still to be allocated."""
        standing = PROCESS_BYTES + self.weight_bytes + self.network.session.idle_bytes
        np.empty(max(plan.peak_bytes - standing - pixels.nbytes, 0), np.uint8)  # reserves addresses only

    def _run(self, pixels: Pixels, plan: Plan, options: RunOptions, budget: MemoryBudget) -> UpscaleResult:
        beside_others = replace(plan, spare_bytes=min(plan.spare_bytes, budget.free_bytes))
        self.network.session.keep_buffers(beside_others.kept_bytes)
        report = effort_for_target(self.network, pixels, plan, options)
        check_cancelled(options.cancelled)
        if report is None:
            return execute(self.network, pixels, plan, options)
        return execute_for_target(self.network, pixels, plan, options, report)

    @property
    def _may_tile(self) -> bool:
        return not chopping.has_pixel_attention(self.network.model.graph)

    def _run_bytes(self, dtype: np.dtype[Any]) -> PeakBytes:
        def run_bytes(rows: int, columns: int, low_memory: bool) -> int:
            return self.network.session.peak_bytes(rows, columns, dtype, dtype, low_memory)

        return run_bytes


def _forced_note(plan: Plan) -> tuple[str, ...]:
    if not plan.is_forced or plan.mode is not Mode.TILES:
        return ()
    return ("memory ran short, so the image was upscaled in tiles",)
