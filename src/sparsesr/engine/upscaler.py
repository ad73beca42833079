"""``Upscaler``: pixels in, upscaled pixels out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine import chop as chopping
from sparsesr.engine.arguments import check_numbers, check_whole_numbers
from sparsesr.engine.arrays import unpack, upscaled_alpha, without_holes
from sparsesr.engine.budget import MemoryBudget
from sparsesr.engine.execute import Cancelled, Network, Progress, RunOptions, execute
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
from sparsesr.errors import LimitError, MemoryShortError, Parameter, UsageError, Wording, check_cancelled
from sparsesr.free_memory import default_memory_bytes
from sparsesr.modelfile.catalogue import default_model_for, load, portable_name
from sparsesr.modelfile.spec import ModelFile, scale_words
from sparsesr.runtime.graph.receptive_field import halo_px, sees_whole_image
from sparsesr.runtime.session import Session

Pixels = npt.NDArray[Any]
ModelLike = str | os.PathLike[str] | ModelFile
DEFAULT_SCALE = 2
INFERENCE = ("auto", "whole", "chopped")


class Upscaler:
    """A loaded model, ready to upscale images.

    Any number of threads may share one: together they stay within its ``memory``, and wait for it if necessary.
    It is pickled as its arguments, so another process or machine loads the model by name or path.
    """

    def __init__(
        self,
        model: ModelLike | None = None,
        *,
        scale: int | None = None,
        threads: int | None = None,
        memory: float | None = None,
        inference: str = "auto",
        precision: str = "auto",
    ) -> None:
        """Load a model by name or path; None: the default model for ``scale``, or for x2 if that is None too.

        ``memory`` limits the peak of the whole process, in bytes; None: half of the memory that is free now.
        ``inference``: ``whole`` images at once, or
        ``chopped`` into overlapping crops; ``auto`` chops large images for networks whose pixels attend to each
        other, as their authors do. ``precision``: ``fp32``, ``bf16`` (half the memory for maps; fp32 on a
        processor without the instructions) or ``auto``: bf16 where it is faster and costs the model at most 0.01 dB.
        Raises ModelError for unknown or refused models, and UsageError if the model does not upscale by ``scale``.
        """
        check_numbers(scale=scale, memory=memory)
        check_whole_numbers(threads=threads)
        if inference not in INFERENCE:
            raise UsageError(
                f"{inference!r} is unknown",
                where=Parameter("inference"),
                remedy=f"use {', '.join(INFERENCE[:-1])} or {INFERENCE[-1]}",
            )
        self._arguments = (
            model if isinstance(model, ModelFile | None) else portable_name(model),
            {
                "scale": scale,
                "threads": threads,
                "memory": memory,
                "inference": inference,
                "precision": precision,
            },
        )
        self.inference = inference
        self.model = load_model(model, scale)
        facts = self.model.facts
        self.network = Network(
            self.model,
            Session(self.model, threads, precision),
            facts.name,
            facts.scale,
            halo_px(self.model),
            facts.size_multiple,
            sees_whole_image(self.model.graph),
        )
        self._is_memory_given = memory is not None
        self.memory = default_memory_bytes() if memory is None else int(memory)
        # Stored twice: as read, and packed for the kernels.
        self._weight_bytes = 2 * sum(tensor.nbytes for tensor in self.model.tensors.values())
        self.budget = MemoryBudget(self.memory - self._standing_bytes)

    def __reduce__(self) -> tuple[Callable[..., Upscaler], tuple[Any, ...]]:
        return _rebuilt, self._arguments

    @property
    def settings(self) -> dict[str, Any]:
        """What results depend on, apart from the options of a call."""
        session = self.network.session
        return {
            "model": self.network.name,
            "scale": self.scale,
            "precision": session.precision,
            "inference": self.inference,
        }

    @property
    def _standing_bytes(self) -> int:
        """Memory held even when idle."""
        return PROCESS_BYTES + self._weight_bytes

    @property
    def idle_bytes(self) -> int:
        """Working memory kept for the next image; within ``memory``."""
        return self.network.session.idle_bytes

    def release_buffers(self) -> None:
        """Return that memory to the system; the next image takes slightly longer."""
        self.network.session.keep_buffers(0)

    @property
    def scale(self) -> int:
        """Output size / input size."""
        return self.network.scale

    def __call__(
        self,
        image: Any,
        *,
        effort: float | None = None,
        target_ms: float | None = None,
        keep_masks: bool = True,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> UpscaleResult:
        """Upscale a numpy array or a PIL image; ``result.image`` is of the same kind.

        Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in 0..1. ``target_ms`` chooses the
        effort that takes this long, including the choice itself; ``result.target`` reports the outcome. Raises
        UsageError, InputError, LimitError, CancelledError or ResultError.
        """
        options = RunOptions(effort, target_ms, keep_masks=keep_masks, progress=progress, cancelled=cancelled)
        start = time.perf_counter()
        parts = unpack(image)
        plan = self.plan(parts.rgb, has_alpha=parts.alpha is not None)
        with self.reserved(plan, cancelled):
            result, alpha = self.upscale_planes(parts.rgb, parts.alpha, plan, options)
            packed = parts.pack(result.image, alpha)
        notes = (*parts.notes, *result.notes)
        return replace(result, image=packed, notes=notes, seconds=time.perf_counter() - start)

    def plan(self, rgb: Pixels, *, has_alpha: bool = False, encoder_bytes: int | None = None) -> Plan:
        """Plan the upscaling of pixels of this size; LimitError if the memory is too small.

        ``encoder_bytes``: working memory of the encoder; None: the result is returned as an array.
        """
        height, width = rgb.shape[:2]
        dtype = rgb.dtype
        alpha_bytes = rgb.nbytes // 3 * (1 + self.scale**2) if has_alpha else 0
        packed = height * width * self.scale**2 * (4 if has_alpha else 3) * dtype.itemsize
        encoder = packed if encoder_bytes is None else encoder_bytes
        # Images with alpha are held twice: as passed in, and with transparent pixels filled for the network.
        held = rgb.nbytes * (2 if has_alpha else 1) + alpha_bytes + encoder + self._weight_bytes
        need = MemoryNeeds(
            height,
            width,
            held,
            rgb.nbytes * self.scale**2,
            self.network.halo_px,
            self.network.multiple,
            2 if self.network.has_attention else 1,
        )

        try:
            return self._planned(need, self._run_bytes(dtype))
        except LimitError as error:
            if self._is_memory_given:
                raise
            remedy = Wording("free some memory, shrink the image, or set {}", "memory")
            raise LimitError(f"{error.what}, half of the free memory", remedy=remedy) from None

    def _planned(self, need: MemoryNeeds, run_bytes: PeakBytes) -> Plan:
        is_large = need.height * need.width >= chopping.CHOP_PX
        if self.inference == "chopped" or (self.inference == "auto" and not self._may_tile and is_large):
            return chopped_plan(need, run_bytes, self.memory, chopping.chop(need.height, need.width))
        return make_plan(need, run_bytes, self.memory, may_tile=self._may_tile)

    @property
    def _may_tile(self) -> bool:
        return not chopping.has_pixel_attention(self.model.graph)

    def _run_bytes(self, dtype: np.dtype[Any]) -> PeakBytes:
        def run_bytes(rows: int, columns: int, low_memory: bool) -> int:
            return self.network.session.peak_bytes(rows, columns, dtype, dtype, low_memory)

        return run_bytes

    @contextmanager
    def reserved(self, plan: Plan, cancelled: Cancelled | None = None) -> Generator[None, None, None]:
        """Hold the memory of a plan for the block; waits while other jobs hold it. CancelledError if cancelled."""
        with self.budget.reserved(plan.peak_bytes - self._standing_bytes, cancelled):
            yield

    def upscale_planes(
        self, rgb: Pixels, alpha: Pixels | None, plan: Plan, options: RunOptions
    ) -> tuple[UpscaleResult, Pixels | None]:
        """Upscale (H, W, 3) colours and (H, W) alpha separately, as planned; the caller has reserved the memory."""
        pixels = without_holes(rgb, alpha)
        result = self._run_with_what_there_is(pixels, plan, options)
        check_cancelled(options.cancelled)
        return result, upscaled_alpha(alpha, self.scale)

    def _run_with_what_there_is(self, pixels: Pixels, plan: Plan, options: RunOptions) -> UpscaleResult:
        """Run as planned, and with ever less memory whenever the system refuses it."""
        while True:
            try:
                self._check_memory(plan, pixels)
                result = self._run(pixels, plan, options)
            except (MemoryError, MemoryShortError):
                pass  # leaving the handler frees what the failed run holds
            else:
                return replace(result, notes=(*_forced_note(plan), *result.notes))
            self.release_buffers()
            plan = smaller_plan(plan, self._run_bytes(pixels.dtype), may_tile=self._may_tile)

    def _check_memory(self, plan: Plan, pixels: Pixels) -> None:
        """Raise MemoryError, before a plan is announced, if the system refuses what is still to be allocated."""
        more = plan.peak_bytes - self._standing_bytes - pixels.nbytes - self.idle_bytes
        np.empty(max(more, 0), np.uint8)  # reserves addresses only

    def _run(self, pixels: Pixels, plan: Plan, options: RunOptions) -> UpscaleResult:
        beside_others = replace(plan, spare_bytes=min(plan.spare_bytes, self.budget.free_bytes))
        self.network.session.keep_buffers(beside_others.kept_bytes)
        report = effort_for_target(self.network, pixels, plan, options)
        check_cancelled(options.cancelled)
        if report is None:
            return execute(self.network, pixels, plan, options)
        return execute_for_target(self.network, pixels, plan, options, report)


def _forced_note(plan: Plan) -> tuple[str, ...]:
    if not plan.is_forced or plan.mode is not Mode.TILES:
        return ()
    return ("memory ran short, so the image was upscaled in tiles",)


def _rebuilt(model: ModelLike | None, settings: dict[str, Any]) -> Upscaler:
    return Upscaler(model, **settings)


def load_model(model: ModelLike | None, scale: int | None) -> ModelFile:
    """Load a model, or the default one, for one scale; UsageError if the model does not support the scale."""
    if model is None:
        wanted = scale or DEFAULT_SCALE
        return load(default_model_for(wanted).path).at_scale(wanted)
    loaded = model if isinstance(model, ModelFile) else load(model)
    if scale not in (None, *loaded.scales):
        raise UsageError(
            f"the model {loaded.facts.name} upscales {scale_words(loaded.scales)}, not x{scale}",
            remedy=Wording("leave {} out or name another {}", "scale", "model"),
        )
    return loaded.at_scale(scale)
