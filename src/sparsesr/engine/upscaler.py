"""``Upscaler``: pixels in, upscaled pixels out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from sparsesr.engine import chop as chopping
from sparsesr.engine.arrays import unpack, upscaled_alpha, without_holes
from sparsesr.engine.budget import MemoryBudget
from sparsesr.engine.execute import Cancelled, Network, Progress, RunOptions, execute
from sparsesr.engine.plan import PROCESS_BYTES, MemoryNeeds, Plan, chopped_plan, make_plan
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.timed_run import effort_for_target, execute_for_target
from sparsesr.errors import Parameter, UsageError, Wording, check_cancelled
from sparsesr.limits import DEFAULT_MEMORY_BYTES
from sparsesr.modelfile.catalogue import default_model_for, load
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
        memory: int = DEFAULT_MEMORY_BYTES,
        inference: str = "auto",
        precision: str = "auto",
    ) -> None:
        """Load a model by name or path; None: the default model for ``scale``, or for x2 if that is None too.

        ``memory`` limits the peak of the whole process, in bytes. ``inference``: ``whole`` images at once, or
        ``chopped`` into overlapping crops; ``auto`` chops large images for networks whose pixels attend to each
        other, as their authors do. ``precision``: ``fp32``, ``bf16`` (half the memory for maps), ``int8`` (for models
        with scales for it; both run in fp32 on a processor without the instructions) or ``auto``: the fastest that
        costs the model at most 0.01 dB in bf16, 0.03 dB in int8.
        Raises ModelError for unknown or refused models, and UsageError if the model does not upscale by ``scale``.
        """
        if inference not in INFERENCE:
            raise UsageError(
                f"{inference!r} is unknown",
                where=Parameter("inference"),
                remedy=f"use {', '.join(INFERENCE[:-1])} or {INFERENCE[-1]}",
            )
        self._arguments = (
            model,
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
        self.memory = memory
        # Stored twice: as read, and packed for the kernels.
        self._weight_bytes = 2 * sum(tensor.nbytes for tensor in self.model.tensors.values())
        self.budget = MemoryBudget(memory - self._standing_bytes)

    def __reduce__(self) -> tuple[Callable[..., Upscaler], tuple[Any, ...]]:
        return _rebuilt, self._arguments

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
        return replace(result, image=packed, seconds=time.perf_counter() - start)

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

        def run_bytes(rows: int, columns: int, low_memory: bool) -> int:
            return self.network.session.peak_bytes(rows, columns, dtype, dtype, low_memory)

        has_pixel_attention = chopping.has_pixel_attention(self.model.graph)
        is_large = height * width >= chopping.CHOP_PX
        if self.inference == "chopped" or (self.inference == "auto" and has_pixel_attention and is_large):
            return chopped_plan(need, run_bytes, self.memory, chopping.chop(height, width))
        return make_plan(need, run_bytes, self.memory, may_tile=not has_pixel_attention)

    @contextmanager
    def reserved(self, plan: Plan, cancelled: Cancelled | None = None) -> Generator[None, None, None]:
        """Hold the memory of a plan for the block; waits while other jobs hold it. CancelledError if cancelled."""
        with self.budget.reserved(plan.peak_bytes - self._standing_bytes, cancelled):
            yield

    def upscale_planes(
        self, rgb: Pixels, alpha: Pixels | None, plan: Plan, options: RunOptions
    ) -> tuple[UpscaleResult, Pixels | None]:
        """Upscale (H, W, 3) colours and (H, W) alpha separately, as planned; the caller has reserved the memory."""
        beside_others = replace(plan, spare_bytes=min(plan.spare_bytes, self.budget.free_bytes))
        self.network.session.keep_buffers(beside_others.kept_bytes)
        pixels = without_holes(rgb, alpha)
        report = effort_for_target(self.network, pixels, plan, options)
        check_cancelled(options.cancelled)
        if report is None:
            result = execute(self.network, pixels, plan, options)
        else:
            result = execute_for_target(self.network, pixels, plan, options, report)
        check_cancelled(options.cancelled)
        return result, upscaled_alpha(alpha, self.scale)


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
