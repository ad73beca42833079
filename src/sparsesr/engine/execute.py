"""Execution of a plan: runs a network over pixels and checks the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from sparsesr.engine.arguments import check_numbers
from sparsesr.engine.check import suspicious_shift
from sparsesr.engine.estimate import expected_seconds
from sparsesr.engine.joining import Attention
from sparsesr.engine.plan import Mode, Plan
from sparsesr.engine.result import UpscaleResult, result_of
from sparsesr.engine.second_opinion import require_second_opinion
from sparsesr.engine.tiles import Deviation, measure_deviation, run_tiled
from sparsesr.errors import ResultError
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.backend.native.instruction_set import scalar_kernels
from sparsesr.runtime.session import RunResult, Session

Pixels = npt.NDArray[Any]
Progress = Callable[[int, int], None]
"""Called with (steps done, total steps)."""
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Network:
    """A session and the facts about its model that planning needs."""

    model: ModelFile
    session: Session
    name: str
    scale: int
    halo_px: int
    multiple: int
    has_attention: bool

    @property
    def has_masks(self) -> bool:
        """True if an effort changes its work."""
        return bool(mask_names(self.model.graph))

    def with_empty_session(self) -> Network:
        """The same network with a new session, which holds no working memory yet."""
        return replace(self, session=Session(self.model, self.session.threads, self.session.wanted_precision))


@dataclass(frozen=True)
class RunOptions:
    """Options of a run, apart from the plan."""

    effort: float | None = None
    target_ms: float | None = None
    """Time from which the effort is chosen; `effort` is None then."""
    dense: bool = False
    is_bicubic: bool = False
    """Enlarge by bicubic, without a network: the lowest level of a budget."""
    keep_masks: bool = False
    attention: Attention | None = None
    """Channel attention vectors of another run, instead of the image's own; not for tiles and crops."""
    on_plan: Callable[[Plan], None] | None = None
    """Called before the work of a network starts."""
    on_long_run: Callable[[Plan, float], None] | None = None
    """Called then with the expected seconds, if they are many; measured on a part of the image only if this is set."""
    progress: Progress | None = None
    cancelled: Cancelled | None = None

    def __post_init__(self) -> None:
        check_numbers(effort=self.effort, target_ms=self.target_ms)
        for name in ("effort", "target_ms"):
            value = getattr(self, name)
            if value is not None:  # JSON takes no numbers of other libraries, and reports hold these
                object.__setattr__(self, name, float(value))


def execute(network: Network, pixels: Pixels, plan: Plan, options: RunOptions) -> UpscaleResult:
    """Upscale (H, W, 3) uint8, uint16 or float32 pixels.

    An implausible result is computed again with the scalar kernels, which are slow.

    Raises:
        CancelledError: ``options.cancelled`` returned True.
        ResultError: that result is implausible too.
    """
    if options.on_plan is not None:
        options.on_plan(plan)
    if options.on_long_run is not None:
        seconds = expected_seconds(network, pixels, plan, options)
        if seconds is not None:
            options.on_long_run(plan, seconds)
    effort = options.effort if network.has_masks else None
    try:
        return replace(_execute(network, pixels, plan, options), effort=effort)
    except ResultError as error:
        fault = error.what
    # The first result has been freed by here; the new session packs its weights for the scalar kernels.
    network.session.keep_buffers(0)
    with scalar_kernels():  # these also determine the precision of a session created here
        retry = network.with_empty_session()
        retry.session.keep_buffers(plan.kept_bytes)
        done = _execute(retry, pixels, plan, options)
    note = f"{fault}; the scalar kernels gave a plausible result: please report this with `sparsesr doctor`"
    return replace(done, notes=(note, *done.notes), effort=effort)


def _execute(network: Network, pixels: Pixels, plan: Plan, options: RunOptions) -> UpscaleResult:
    if plan.mode is Mode.TILES:
        return _execute_tiles(network, pixels, plan, options)
    if plan.mode is Mode.CHOPPED:
        return _execute_crops(network, pixels, plan, options)
    run = run_whole(network, pixels, options, options.attention, low_memory=plan.mode is Mode.LOW_MEMORY)
    return result_of(run, plan, *_checked(network, pixels, run, plan, options))


def _checked(
    network: Network, pixels: Pixels, run: RunResult, plan: Plan, options: RunOptions
) -> tuple[str, ...]:
    """Notes about a plausible result; ResultError for another one."""
    shift = suspicious_shift(pixels, run.image, network.scale, run.attention, network.name)
    if shift is None:
        return ()
    note = require_second_opinion(network, pixels, run, shift, plan, options)
    return () if note is None else (note,)


def run_whole(
    network: Network, pixels: Pixels, options: RunOptions, attention: Attention | None, *, low_memory: bool
) -> RunResult:
    """Run the network over these pixels once, unchecked."""
    return network.session.run(
        pixels,
        dense=options.dense,
        effort=options.effort,
        keep_masks=options.keep_masks,
        attention=attention,
        low_memory=low_memory,
        progress=options.progress,
        cancelled=options.cancelled,
    )


def _execute_tiles(network: Network, pixels: Pixels, plan: Plan, options: RunOptions) -> UpscaleResult:
    quiet = replace(options, progress=None)
    current, size = network, (0, 0)

    def run(window: Pixels, attention: Attention | None) -> RunResult:
        nonlocal current, size
        if window.shape[:2] != size:  # sessions keep the memory of earlier sizes; memory is short here
            current, size = current.with_empty_session(), (window.shape[0], window.shape[1])
            current.session.keep_buffers(plan.peak_bytes)  # reused by tiles of this size
        return run_whole(current, window, quiet, attention, low_memory=True)

    tiled = run_tiled(
        pixels, plan.tiles, network.scale, run, has_attention=network.has_attention, on_tile=options.progress
    )
    checked = _checked(network, pixels, tiled, plan, options)
    deviation = None
    if network.has_attention:
        deviation = measure_deviation(
            pixels, plan, network.scale, run, halo_px=network.halo_px, multiple=network.multiple
        )
    note = _tiles_note(len(plan.tiles), network.has_attention, deviation)
    return result_of(tiled, plan, note, *checked, deviation=deviation)


def _execute_crops(network: Network, pixels: Pixels, plan: Plan, options: RunOptions) -> UpscaleResult:
    """Run each crop like an image of its own."""
    quiet = replace(options, progress=None)

    def run(window: Pixels, attention: Attention | None) -> RunResult:
        return run_whole(network, window, quiet, attention, low_memory=False)

    tiled = run_tiled(pixels, plan.tiles, network.scale, run, has_attention=False, on_tile=options.progress)
    checked = _checked(network, pixels, replace(tiled, attention={}), plan, options)
    largest = max(tile.window.area for tile in plan.tiles)
    note = f"chopped: {len(plan.tiles)} overlapping crops of up to {largest} pixels, upscaled independently"
    return result_of(tiled, plan, note, *checked)


def _tiles_note(count: int, has_attention: bool, deviation: Deviation | None) -> str:
    if not has_attention:
        return f"tiled: {count} tiles; the result is the same as for the whole image"
    if deviation is None:
        return f"tiled: {count} tiles; too little memory to measure the deviation from the whole-image result"
    return (
        f"tiled: {count} tiles; deviates from the whole-image result by at most"
        f" {deviation.max_levels:.3g}/255 (PSNR {deviation.psnr_db:.1f} dB) on a probe of"
        f" {deviation.probe_px}x{deviation.probe_px}"
    )
