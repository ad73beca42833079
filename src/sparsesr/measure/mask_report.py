"""Measured savings by mask, module by module."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.execute import RunOptions, execute
from sparsesr.engine.plan import Plan
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import ModelError
from sparsesr.modelfile.catalogue import default_model_for, default_scales
from sparsesr.modelfile.operations.registry import mask_names, mask_of
from sparsesr.runtime.stats import Stats

_REPEATS = 3


@dataclass(frozen=True)
class ModuleReport:
    """One mask and the layers that it gates."""

    name: str
    density: float
    """Share of active pixels."""
    macs: int
    macs_dense: int
    ms: float
    ms_dense: float

    @property
    def macs_saved(self) -> int:
        """Skipped multiply-adds."""
        return self.macs_dense - self.macs

    @property
    def ms_saved(self) -> float:
        """Milliseconds saved against the dense run; negative if the mask cost more than it saved."""
        return self.ms_dense - self.ms


@dataclass(frozen=True)
class MaskReport:
    """Masks of an image and their savings."""

    masks: list[npt.NDArray[np.bool_]]
    modules: list[ModuleReport]
    total: ModuleReport
    """The whole network; its density is the paper's: the mean over layers of the computed share."""


def measure_masks(
    upscaler: Upscaler,
    rgb: npt.NDArray[Any],
    options: RunOptions,
    repeats: int = _REPEATS,
    on_run: Callable[[int, int], None] | None = None,
) -> MaskReport:
    """Run the network sparse and dense in turns; report median times.

    Raises:
        ModelError: the model has no masks.
    """
    layers_of = _layers_by_mask(upscaler)
    if not layers_of:
        raise _without_masks(upscaler)
    plan = upscaler.plan(rgb)
    masks, sparse, dense = _alternate(upscaler, rgb, plan, options, repeats, on_run)
    modules = [
        _module(f"module {number}", sparse[-1].densities[mask], layers, sparse, dense)
        for number, (mask, layers) in enumerate(layers_of.items(), 1)
    ]
    every = {layer.name for layer in sparse[-1].layers}
    total = replace(
        _module("whole network", sparse[-1].density, every, sparse, dense),
        ms=statistics.median(stats.total_ms for stats in sparse),
        ms_dense=statistics.median(stats.total_ms for stats in dense),
        macs=sparse[-1].macs,
        macs_dense=sparse[-1].macs_dense,
    )
    return MaskReport(masks, modules, total)


def _without_masks(upscaler: Upscaler) -> ModelError:
    """The refusal of a network that computes every pixel; it names a model of its scale that does not."""
    scale = upscaler.network.model.facts.scale
    masked = default_model_for(scale if scale in default_scales() else min(default_scales())).name
    return ModelError(
        "computes every pixel, so there are no masks to show",
        where=upscaler.network.name,
        remedy=f"use a model with masks, such as {masked}",
    )


def _layers_by_mask(upscaler: Upscaler) -> dict[str, set[str]]:
    """Map each mask tensor to the names of the layers that it gates, in graph order."""
    found: dict[str, set[str]] = {name: set() for name in mask_names(upscaler.model.graph)}
    for node in upscaler.model.graph.nodes:
        mask = mask_of(node)
        if mask is not None:
            found[mask].add(node.name)
    return found


def _alternate(
    upscaler: Upscaler,
    rgb: npt.NDArray[Any],
    plan: Plan,
    options: RunOptions,
    repeats: int,
    on_run: Callable[[int, int], None] | None,
) -> tuple[list[npt.NDArray[np.bool_]], list[Stats], list[Stats]]:
    """Interleave sparse and dense runs, so that a change of clock speed affects both."""
    masks: list[npt.NDArray[np.bool_]] = []
    runs: dict[bool, list[Stats]] = {False: [], True: []}
    upscaler.network.session.keep_buffers(plan.buffer_bytes)  # for both kinds of runs, if they fit
    for turn in range(2 * repeats):
        is_dense = turn % 2 == 1
        keep = turn == 0
        effort = None if is_dense else options.effort
        turn_options = replace(options, dense=is_dense, effort=effort, keep_masks=keep)
        done = execute(upscaler.network, rgb, plan, turn_options)
        options = replace(options, on_plan=None)  # report the plan once
        masks = done.masks or [] if keep else masks
        runs[is_dense].append(done.stats)
        if on_run is not None:
            on_run(turn + 1, 2 * repeats)
    return masks, runs[False], runs[True]


def _module(
    name: str, density: float, layers: set[str], sparse: list[Stats], dense: list[Stats]
) -> ModuleReport:
    own = [layer for layer in sparse[-1].layers if layer.name in layers]
    return ModuleReport(
        name,
        density,
        sum(layer.macs for layer in own),
        sum(layer.macs_dense for layer in own),
        _median_ms(sparse, layers),
        _median_ms(dense, layers),
    )


def _median_ms(runs: list[Stats], layers: set[str]) -> float:
    return statistics.median(
        sum(layer.ms for layer in stats.layers if layer.name in layers) for stats in runs
    )
