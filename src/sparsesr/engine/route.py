"""A route to a size: networks in sequence, each enlarging the result of the one before, then a resize down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.bicubic import interpolated, resized
from sparsesr.engine.budget import MemoryBudget
from sparsesr.engine.execute import Progress, RunOptions
from sparsesr.engine.joining import joined_passes
from sparsesr.engine.network_pass import NetworkPass
from sparsesr.engine.networks import Networks
from sparsesr.engine.output_size import OutputSize, enlarged_size, passes_for
from sparsesr.engine.plan import Plan
from sparsesr.engine.result import Pass, UpscaleResult
from sparsesr.errors import Parameter, UsageError, Wording

Pixels = npt.NDArray[Any]
RESIZE_BYTES = 40_000_000
"""Working memory of :func:`imresize`; measured."""


@dataclass(frozen=True)
class Route:
    """How one image reaches its size."""

    scales: tuple[int, ...]
    """Scales of the networks, in order."""
    size: tuple[int, int]
    """(height, width) of the result."""
    factors: tuple[Fraction, Fraction]
    """Output size / input size, down and across."""
    plans: tuple[Plan, ...] = ()
    """The plan of each network."""

    @property
    def is_resized(self) -> bool:
        """True if the networks enlarge too much."""
        product = math.prod(self.scales)
        return self.factors != (product, product)

    @property
    def peak_bytes(self) -> int:
        """Peak memory of the whole process."""
        return max(plan.peak_bytes for plan in self.plans)


def route_to(wanted: OutputSize, networks: Networks, height: int, width: int) -> Route:
    """The route for an image of this size, without plans.

    Raises:
        InputError: the image would have to shrink.
        UsageError: the networks cannot enlarge as much.
    """
    factors = wanted.factors(height, width)
    if max(factors) == 0:
        factors = (Fraction(networks.default_scale), Fraction(networks.default_scale))
    scales = passes_for(max(factors), networks.scales, wanted.parameter_of(factors))
    return Route(scales, enlarged_size(height, width, factors), factors)


def planned(
    route: Route,
    networks: Networks,
    size: tuple[int, int],
    dtype: np.dtype[Any],
    limit_bytes: int,
    *,
    has_alpha: bool,
    encoder_bytes: int,
) -> Route:
    """The route with its plans; ``size``: (height, width) of the input. LimitError if the memory is too small."""
    channels = 4 if has_alpha else 3
    input_bytes = size[0] * size[1] * channels * dtype.itemsize
    result_bytes = route.size[0] * route.size[1] * channels * dtype.itemsize
    plans: list[Plan] = []
    for index, network in enumerate(networks.along(route.scales)):
        beside = input_bytes if index else 0  # held until the end, for its metadata
        if index == len(route.scales) - 1:
            resize_bytes = result_bytes + RESIZE_BYTES if route.is_resized else 0
            beside += max(encoder_bytes, resize_bytes)
        plan = network.plan(size, dtype, limit_bytes, has_alpha=has_alpha, beside_bytes=beside)
        plans.append(plan)
        size = (size[0] * network.scale, size[1] * network.scale)
    return replace(route, plans=tuple(plans))


def follow(
    route: Route,
    networks: Networks,
    rgb: Pixels,
    alpha: Pixels | None,
    options: RunOptions,
    budget: MemoryBudget,
) -> tuple[UpscaleResult, Pixels | None]:
    """Enlarge (H, W, 3) colours and (H, W) alpha along a planned route; the caller has reserved the memory.

    Raises:
        UsageError: a target time, for several networks.
        CancelledError: ``options.cancelled`` returned True.
        ResultError: a result is implausible.
    """
    if options.is_bicubic:
        return interpolated(rgb, alpha, route.factors, route.size, route.plans[-1], options.cancelled)
    if options.target_ms is not None:
        refuse_several_networks(route, "target_ms", "target")
    results: list[UpscaleResult] = []
    passes = networks.along(route.scales)
    for network, plan, share in zip(passes, route.plans, _shares(route.scales), strict=True):
        networks.release_buffers(but=network)
        here = replace(options, progress=_part_of(options.progress, share))
        result, alpha = network.upscale(rgb, alpha, plan, here, budget)
        rgb = result.image
        results.append(result)
    done = _joined(results, passes)
    if options.effort is not None and done.effort is None:
        done = replace(done, notes=(*done.notes, _useless_effort(done.passes)))
    if route.is_resized:
        product = math.prod(route.scales)
        down, across = (factor / product for factor in route.factors)
        rgb, alpha = resized(rgb, alpha, (down, across), route.size, options.cancelled)
    return replace(done, image=rgb, size=route.size, is_resized=route.is_resized), alpha


def refuse_several_networks(route: Route, parameter: str, what: str) -> None:
    """Raise UsageError, about a ``parameter`` that chooses the effort, unless the route takes one network."""
    if len(route.scales) > 1:
        raise UsageError(
            f"this enlargement takes {len(route.scales)} networks, and a {what} is for one",
            where=Parameter(parameter),
            remedy=Wording("leave out {} or choose a smaller {}", parameter, "scale"),
        )


def _joined(results: Sequence[UpscaleResult], passes: Sequence[NetworkPass]) -> UpscaleResult:
    names = tuple(Pass(each.network.name, each.scale) for each in passes)
    notes = tuple(dict.fromkeys(note for result in results for note in result.notes))
    run = results[0].run if len(results) == 1 else joined_passes([result.run for result in results])
    effort = next((each.effort for each in results if each.effort is not None), None)
    return replace(results[-1], run=run, notes=notes, passes=names, effort=effort)


def _useless_effort(passes: Sequence[Pass]) -> str:
    names = " and ".join(dict.fromkeys(each.model for each in passes))
    return f"the effort changed nothing: {names} computes every pixel"


def _shares(scales: tuple[int, ...]) -> list[tuple[float, float]]:
    """Start and end of each network's part of the work, 0..1, by the pixels it reads."""
    pixels = [math.prod(scales[:index]) ** 2 for index in range(len(scales) + 1)]
    total = sum(pixels[:-1])
    ends = [sum(pixels[: index + 1]) / total for index in range(len(scales))]
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def _part_of(progress: Progress | None, share: tuple[float, float]) -> Progress | None:
    if progress is None or share == (0.0, 1.0):
        return progress
    start, end = share
    return lambda done, total: progress(round(1000 * (start + (end - start) * done / total)), 1000)
