"""``Upscaler``: pixels in, upscaled pixels out."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from sparsesr.engine.arguments import check_numbers, check_whole_numbers
from sparsesr.engine.arrays import unpack
from sparsesr.engine.budget import MemoryBudget
from sparsesr.engine.execute import Cancelled, Network, Progress, RunOptions, execute
from sparsesr.engine.network_pass import NetworkPass
from sparsesr.engine.networks import ModelLike, Networks
from sparsesr.engine.output_size import OutputSize
from sparsesr.engine.plan import PROCESS_BYTES, Plan
from sparsesr.engine.refinement import REFINEMENTS, check_refinement, refined
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.route import Route, follow, planned, route_to
from sparsesr.errors import LimitError, Parameter, UsageError, Wording
from sparsesr.free_memory import default_memory_bytes
from sparsesr.modelfile.catalogue import portable_name
from sparsesr.modelfile.spec import ModelFile

Pixels = npt.NDArray[Any]
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
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        fit: tuple[int, int] | None = None,
        threads: int | None = None,
        memory: float | None = None,
        inference: str = "auto",
        precision: str = "auto",
        budget: MemoryBudget | None = None,
    ) -> None:
        """Load a model by name or path; None: the default model for the size, x2 if none is given, and for the image.

        Default models differ for files that are JPEGs of low quality: see :meth:`for_jpeg`. Arrays and PIL images do
        not say what they were.

        ``scale``: output size / input size, any number from 1; or ``width``, ``height`` or both in pixels; or ``fit``,
        the (width, height) of a box into which results fit. A size that is not a scale of the model is reached by the
        next larger scale, or several networks in sequence, and exact bicubic down to the size.

        ``memory`` limits the peak of the whole process, in bytes; None: half of the memory that is free now.
        ``inference``: ``whole`` images at once, or ``chopped`` into overlapping crops; ``auto`` chops large images for
        networks whose pixels attend to each other, as their authors do. ``precision``: ``fp32``, ``bf16`` (half the
        memory for maps), ``int8`` (for models with scales for it; both run in fp32 on a processor without the
        instructions) or ``auto``: the fastest that costs the model at most 0.01 dB in bf16, 0.03 dB in int8.
        ``budget``: working memory that this and other upscalers share, so that they wait for each other; None: one of
        its own. Raises ModelError for unknown or refused models, and UsageError for other values.
        """
        memory_bytes = _whole_bytes(memory)
        check_whole_numbers(threads=threads)
        if inference not in INFERENCE:
            raise UsageError(
                f"{inference!r} is unknown",
                where=Parameter("inference"),
                remedy=f"use {', '.join(INFERENCE[:-1])} or {INFERENCE[-1]}",
            )
        self.output_size = OutputSize(scale, width, height, fit)
        run = {"threads": threads, "inference": inference, "precision": precision}
        size = {"scale": scale, "width": width, "height": height, "fit": fit}
        named = model if isinstance(model, ModelFile | None) else portable_name(model)
        self._arguments = (named, {**size, **run, "memory": memory}, None)
        self.inference = inference
        self._networks = Networks(model, threads=threads, inference=inference, precision=precision)
        self._first_scale = self._smallest_scale()
        self._standing_bytes = PROCESS_BYTES + self._first.weight_bytes
        """Memory held even when idle."""
        self._is_memory_given = memory is not None
        self.memory = default_memory_bytes() if memory_bytes is None else memory_bytes
        self.budget = budget or MemoryBudget(self.memory - self._standing_bytes)

    def _smallest_scale(self) -> int:
        """For a scale, that of every image; for a size in pixels, the smallest, which is the most frequent."""
        if self.output_size.is_in_pixels:
            return min(self._networks.scales)
        return self.route(1, 1).scales[0]

    def for_jpeg(self, quality: int | None) -> Upscaler:
        """The upscaler for an image that was a JPEG of this quality, 1 to 100 in the sense of libjpeg.

        None: any other image. The upscaler has the default models for such images, and shares networks, memory and
        budget with this one; it is this one if a model was named. Jobs that upscale files do this by themselves.
        """
        check_whole_numbers(quality=quality)
        networks = self._networks.for_jpeg(quality)
        if networks is self._networks:
            return self
        other = object.__new__(type(self))
        other.__dict__ |= self.__dict__
        other._networks, other._arguments = networks, (*self._arguments[:2], quality)
        return other

    def __reduce__(self) -> tuple[Callable[..., Upscaler], tuple[Any, ...]]:
        return _rebuilt, self._arguments

    @property
    def _first(self) -> NetworkPass:
        return self._networks[self._first_scale]

    @property
    def network(self) -> Network:
        """The first network that images run through, and for most sizes the only one."""
        return self._first.network

    def network_for(self, scale: int) -> Network:
        """The network of one of the scales that images run through."""
        return self._networks[scale].network

    @property
    def model(self) -> ModelFile:
        """Its model."""
        return self._first.network.model

    @property
    def scale(self) -> int:
        """Its output size / input size."""
        return self._first.scale

    @property
    def label(self) -> str:
        """The size of results, for names of files, such as ``x2`` or ``w1920``."""
        return self.output_size.label or f"x{self.scale}"

    @property
    def settings(self) -> dict[str, Any]:
        """What results depend on, apart from the options of a call."""
        return {
            "model": self.network.name,
            "is_default": self._networks.are_default,
            "size": self.label,
            "precision": self.network.session.precision,
            "inference": self.inference,
        }

    @property
    def idle_bytes(self) -> int:
        """Working memory kept for the next image; within ``memory``."""
        return self._networks.idle_bytes

    def release_buffers(self) -> None:
        """Return that memory to the system; the next image takes slightly longer."""
        self._networks.release_buffers()

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
        route = self.planned_route(parts.rgb, has_alpha=parts.alpha is not None)
        with self.reserved(route, cancelled):
            result, alpha = self.upscale_planes(parts.rgb, parts.alpha, route, options)
            packed = parts.pack(result.image, alpha)
        notes = (*parts.notes, *result.notes)
        return replace(result, image=packed, notes=notes, seconds=time.perf_counter() - start)

    def refine(
        self,
        image: Any,
        *,
        efforts: Sequence[float] = REFINEMENTS,
        deadline_ms: float | None = None,
        cancelled: Cancelled | None = None,
    ) -> Iterator[UpscaleResult]:
        """Upscale an image in steps: yields bicubic, then a better result for each of the ascending ``efforts``.

        Every result equals that of a call with its ``effort``, bit for bit; its ``seconds`` count from the first step.
        An effort that changes no pixel is left out. Stop by leaving the loop; ``deadline_ms`` ends it from the first
        step on, in the middle of a step if necessary, but never before bicubic. Takes the images of a call; raises
        the same errors, and UsageError for invalid efforts or deadlines at once.
        """
        check_numbers(deadline_ms=deadline_ms)
        check_refinement(efforts, deadline_ms)
        return refined(self, image, efforts, deadline_ms, cancelled)

    def route(self, height: int, width: int) -> Route:
        """The networks for an image of this size, and the size of its result; InputError if it would have to shrink."""
        return route_to(self.output_size, self._networks, height, width)

    def planned_route(
        self, rgb: Pixels, *, has_alpha: bool = False, encoder_bytes: int | None = None
    ) -> Route:
        """Plan the upscaling of pixels of this size; LimitError if the memory is too small.

        ``encoder_bytes``: working memory of the encoder; None: the result is returned as an array.
        """
        size = rgb.shape[0], rgb.shape[1]
        route = self.route(*size)
        packed = route.size[0] * route.size[1] * (4 if has_alpha else 3) * rgb.dtype.itemsize
        try:
            return planned(
                route,
                self._networks,
                size,
                rgb.dtype,
                self.memory,
                has_alpha=has_alpha,
                encoder_bytes=packed if encoder_bytes is None else encoder_bytes,
            )
        except LimitError as error:
            if self._is_memory_given:
                raise
            remedy = Wording("free some memory, shrink the image, or set {}", "memory")
            raise LimitError(f"{error.what}, half of the free memory", remedy=remedy) from None

    def plan(self, rgb: Pixels, *, has_alpha: bool = False, encoder_bytes: int | None = None) -> Plan:
        """The plan of the first network; as :meth:`planned_route`."""
        return self.planned_route(rgb, has_alpha=has_alpha, encoder_bytes=encoder_bytes).plans[0]

    @contextmanager
    def reserved(self, route: Route, cancelled: Cancelled | None = None) -> Generator[None, None, None]:
        """Hold the memory of a route for the block; waits while other jobs hold it. CancelledError if cancelled."""
        with self.budget.reserved(route.peak_bytes - self._standing_bytes, cancelled):
            yield

    def upscale_planes(
        self, rgb: Pixels, alpha: Pixels | None, route: Route, options: RunOptions
    ) -> tuple[UpscaleResult, Pixels | None]:
        """Upscale (H, W, 3) colours and (H, W) alpha separately, as planned; the caller has reserved the memory."""
        return follow(route, self._networks, rgb, alpha, options, self.budget)

    def upscale_part(self, rgb: Pixels, route: Route, options: RunOptions) -> UpscaleResult:
        """Upscale a part of an image for whose size the route was planned, of one network, with that plan.

        The caller has reserved the memory, and upscaled an image of the whole size before.
        """
        return execute(self.network_for(route.scales[0]), rgb, route.plans[0], options)


def _whole_bytes(memory: float | None) -> int | None:
    check_numbers(memory=memory)
    try:
        return None if memory is None else int(memory)
    except (ValueError, OverflowError):  # not a number, infinity
        raise UsageError(f"must be a number of bytes, not {memory}", where=Parameter("memory")) from None


def _rebuilt(model: ModelLike | None, settings: dict[str, Any], jpeg_quality: int | None) -> Upscaler:
    return Upscaler(model, **settings).for_jpeg(jpeg_quality)
