"""``Upscaler`` and ``upscale``: pictures in, enlarged pictures out."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sparsesr.engine import chop as chopping
from sparsesr.engine.arrays import enlarged_alpha, unpack, without_holes
from sparsesr.engine.execute import (
    Cancelled,
    Executed,
    Network,
    Progress,
    RunOptions,
    execute,
)
from sparsesr.engine.in_time import choose, execute_in_time
from sparsesr.engine.plan import Need, Plan, chopped_plan, make_plan
from sparsesr.engine.target import TargetReport
from sparsesr.engine.tiles import Deviation
from sparsesr.errors import UsageError, check_cancelled
from sparsesr.image.encode import working_bytes
from sparsesr.image.picture import Picture
from sparsesr.jobs.destinations import default_output, refuse_clashes
from sparsesr.limits import DEFAULT_MEMORY_BYTES
from sparsesr.modelfile.catalogue import default_model_for, load
from sparsesr.modelfile.spec import ModelFile, scale_words
from sparsesr.runtime.receptive_field import halo_px, has_global_op
from sparsesr.runtime.session import Session
from sparsesr.runtime.stats import Stats

Pixels = npt.NDArray[Any]
ModelLike = str | os.PathLike[str] | ModelFile
DEFAULT_SCALE = 2
INFERENCE = ("auto", "whole", "chopped")


@dataclass(frozen=True)
class UpscaleResult:
    """An enlarged picture and how it came about."""

    image: Any
    """The same kind of object that was given; for a path, the path that was written."""
    stats: Stats
    masks: list[npt.NDArray[np.bool_]] | None
    """Where each module worked, (H, W) of the input; None unless asked for."""
    notes: list[str]
    """What is not as one might expect, one sentence each."""
    plan: Plan
    deviation: Deviation | None
    """How far tiles are from the whole-picture result; None if no tiles were needed."""
    seconds: float
    """Decoding and encoding included."""
    effort: float | None = None
    """What was used; None: as trained."""
    target: TargetReport | None = None
    """How the effort was chosen, if a target was given."""


class Upscaler:
    """A model that is ready to enlarge pictures, one after the other."""

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
        """Load a model by name or path; None: the default one for the scale (2, if that is None too).

        ``memory`` bounds the peak of the whole process, in bytes. ``inference``: ``whole`` pictures at once, or
        ``chopped`` into overlapping crops; ``auto`` chops large pictures for networks whose pixels attend to each
        other, as their authors do. ``precision``: ``fp32``, ``bf16`` (half the memory for maps; fp32 on a
        processor without the instructions) or ``auto``: bf16 where it is faster and costs the model at most 0.01 dB.
        Raises ModelError for unknown or refused models, and UsageError when the model enlarges by another scale than
        asked for.
        """
        if inference not in INFERENCE:
            raise UsageError(
                f"inference must be {', '.join(INFERENCE[:-1])} or {INFERENCE[-1]}, not {inference!r}"
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
            has_global_op(self.model.graph),
        )
        self.memory = memory
        # Once as read and once packed for the kernels.
        self._weight_bytes = 2 * sum(tensor.nbytes for tensor in self.model.tensors.values())

    @property
    def idle_bytes(self) -> int:
        """Working memory held for the next picture; within ``memory``."""
        return self.network.session.idle_bytes

    def release_buffers(self) -> None:
        """Give that memory back to the system; the next picture takes a little longer."""
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
        """Enlarge a path, a numpy array or a PIL image; ``result.image`` is of the same kind.

        Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in 0..1. For a path see
        :func:`upscale`. ``target_ms`` chooses the effort that takes so long, choosing included; ``result.target``
        tells how that went. Raises UsageError, InputError, LimitError, CancelledError or ResultError.
        """
        options = RunOptions(effort, target_ms, keep_masks=keep_masks, progress=progress, cancelled=cancelled)
        if isinstance(image, (str, os.PathLike)):
            return _enlarge_path(self, cast("str", image), None, options, {})
        start = time.perf_counter()
        parts = unpack(image)
        plan = self.plan(parts.rgb, has_alpha=parts.alpha is not None)
        done, alpha = self._enlarge(parts.rgb, parts.alpha, plan, options)
        return result_of(parts.pack(done.image, alpha), done, list(done.notes), plan, start)

    def plan(self, rgb: Pixels, *, has_alpha: bool = False, kind: str | None = None) -> Plan:
        """How pixels of this size would be enlarged; LimitError if they cannot be. ``kind``: file format."""
        height, width = rgb.shape[:2]
        dtype = rgb.dtype
        alpha_bytes = rgb.nbytes // 3 * (1 + self.scale**2) if has_alpha else 0
        packed = height * width * self.scale**2 * (4 if has_alpha else 3) * dtype.itemsize
        encoder = working_bytes(kind, height * self.scale, width * self.scale) if kind else packed
        # Transparent pictures are held twice: as given, and as the network sees them.
        held = rgb.nbytes * (2 if has_alpha else 1) + alpha_bytes + encoder + self._weight_bytes
        need = Need(
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

    def picture(self, picture: Picture, plan: Plan, options: RunOptions) -> tuple[Picture, Executed]:
        """Enlarge a decoded picture, its alpha included; metadata and notes go along."""
        done, alpha = self._enlarge(picture.rgb, picture.alpha, plan, options)
        enlarged = picture.with_pixels(done.image, alpha)
        enlarged.notes.extend(done.notes)
        return enlarged, done

    def _enlarge(
        self, rgb: Pixels, alpha: Pixels | None, plan: Plan, options: RunOptions
    ) -> tuple[Executed, Pixels | None]:
        self.network.session.keep_buffers(plan.kept_bytes)
        pixels = without_holes(rgb, alpha)
        report = choose(self.network, pixels, plan, options)
        check_cancelled(options.cancelled)
        if report is None:
            done = execute(self.network, pixels, plan, options)
        else:
            done = execute_in_time(self.network, pixels, plan, options, report)
        check_cancelled(options.cancelled)
        return done, enlarged_alpha(alpha, self.scale)


def load_model(model: ModelLike | None, scale: int | None) -> ModelFile:
    """Load what a user named, or the default for the scale, for one scale; UsageError if they disagree."""
    if model is None:
        wanted = scale or DEFAULT_SCALE
        return load(default_model_for(wanted).path).at_scale(wanted)
    loaded = model if isinstance(model, ModelFile) else load(model)
    if scale not in (None, *loaded.scales):
        raise UsageError(
            f"the model {loaded.facts.name} enlarges {scale_words(loaded.scales)}, not x{scale};"
            f" leave the scale out or name another model"
        )
    return loaded.at_scale(scale)


def _enlarge_path(
    upscaler: Upscaler,
    path: str | os.PathLike[str],
    destination: Path | None,
    options: RunOptions,
    writing: dict[str, Any],
) -> UpscaleResult:
    from sparsesr.jobs.files import Writing, enlarge_file  # it imports this module

    source = Path(path)
    target = destination or default_output(source, upscaler.scale, format=writing.get("format"))
    refuse_clashes({source: target})
    return enlarge_file(upscaler, source, target, options, Writing(**writing)).result


def result_of(image: Any, done: Executed, notes: list[str], plan: Plan, start: float) -> UpscaleResult:
    """What the user gets; ``start`` is when ``time.perf_counter`` was asked first."""
    seconds = time.perf_counter() - start
    return UpscaleResult(
        image, done.stats, done.masks, notes, plan, done.deviation, seconds, done.effort, done.target
    )


def upscale(
    image: Any,
    scale: int | None = None,
    model: ModelLike | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    effort: float | None = None,
    target_ms: float | None = None,
    threads: int | None = None,
    memory: int = DEFAULT_MEMORY_BYTES,
    **writing: Any,
) -> Any:
    """Enlarge one picture and return the same kind of thing that was given.

    A path is read and written (to ``output``, or ``<name>_x<scale>`` beside it) and the path that was written
    is returned; numpy arrays and PIL images come back as such. ``writing``: ``format``, ``quality``,
    ``depth``. For many
    pictures make an :class:`Upscaler` once.
    """
    upscaler = Upscaler(model, scale=scale, threads=threads, memory=memory)
    options = RunOptions(effort, target_ms)
    if isinstance(image, (str, os.PathLike)):
        target = None if output is None else Path(output)
        return _enlarge_path(
            upscaler, cast("str", image), target, options, {"overwrite": overwrite, **writing}
        ).image
    if output is not None or writing:
        raise UsageError("output and how to write go with a path; arrays and PIL images are returned")
    return upscaler(image, effort=effort, target_ms=target_ms, keep_masks=False).image
