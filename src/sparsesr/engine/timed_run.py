"""Execution with the effort that meets a target time."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.execute import Network, RunOptions, execute, run_whole
from sparsesr.engine.plan import Mode, Plan
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.target import RunAtEffort, TargetReport, check_target, choose_effort

Pixels = npt.NDArray[Any]


def execute_for_target(
    network: Network, pixels: Pixels, plan: Plan, options: RunOptions, report: TargetReport
) -> UpscaleResult:
    """As :func:`execute`, with the effort from ``report``, to which the actual time is added."""
    start = time.perf_counter()
    done = execute(network, pixels, plan, replace(options, effort=report.effort))
    report = replace(report, actual_ms=report.probe_ms + (time.perf_counter() - start) * 1000)
    notes = done.notes if report.note is None else (*done.notes, report.note)
    return replace(done, notes=notes, target=report)


def effort_for_target(
    network: Network, pixels: Pixels, plan: Plan, options: RunOptions
) -> TargetReport | None:
    """Choose the effort for ``options.target_ms``; None without a target.

    Raises:
        UsageError: the target is invalid.
        CancelledError: ``options.cancelled`` returned True.
    """
    check_target(options.target_ms, options.effort, has_masks=network.has_masks)
    if options.target_ms is None:
        return None
    run = run_at_effort(network, plan, options)
    work_fraction = plan.computed_px / (pixels.shape[0] * pixels.shape[1])
    return choose_effort(run, pixels, options.target_ms, work_fraction=work_fraction)


def run_at_effort(network: Network, plan: Plan, options: RunOptions) -> RunAtEffort:
    """Runs of parts of an image in the way in which the plan would upscale all of it."""
    quiet = replace(options, progress=None, keep_masks=True)

    def run(part: Pixels, effort: float) -> list[npt.NDArray[np.bool_]]:
        chosen = replace(quiet, effort=effort)
        return run_whole(network, part, chosen, None, low_memory=plan.mode is not Mode.WHOLE).masks or []

    return run
