"""Ever better results for one image: bicubic first, then growing efforts, until the caller stops or time is up.

What is reused is exact: the decoded colours with transparent pixels filled, the upscaled alpha, the plan, buffers and
packed weights. With a single mask, an effort that changes no pixel of it is left out. The rest of a step is a whole
run: channel attention, as in SMSR, makes every pixel depend on all masks; and for networks without it, where only
windows around changed pixels would be needed, what lies outside of them is inactive and costs next to nothing anyway.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.arrays import unpack, without_holes
from sparsesr.engine.execute import Cancelled, RunOptions
from sparsesr.engine.mask_gaps import MaskGaps
from sparsesr.engine.result import UpscaleResult
from sparsesr.errors import CancelledError, Parameter, UsageError, check_cancelled
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.runtime.arguments import mask_bias

if TYPE_CHECKING:
    from sparsesr.engine.upscaler import Upscaler

Pixels = npt.NDArray[Any]

REFINEMENTS = (0.0, 0.25, 0.375, 0.5, 0.75)
_TOLERANCE = {"fp32": 1e-3}
_OTHER_TOLERANCE = 0.125
"""Distance from the threshold within which a gap may be on its other side in the run: rounding differs a little."""


def check_refinement(efforts: Sequence[float], deadline_ms: float | None) -> None:
    """Raise UsageError unless efforts ascend in 0..1 and the deadline is greater than 0."""
    if list(efforts) != sorted(set(efforts)) or not all(0 <= effort <= 1 for effort in efforts):
        raise UsageError("must ascend in 0..1", where=Parameter("efforts"))
    if deadline_ms is not None and not deadline_ms > 0:
        raise UsageError(f"must be greater than 0, not {deadline_ms:g}", where=Parameter("deadline_ms"))


def refined(
    upscaler: Upscaler,
    image: Any,
    efforts: Sequence[float],
    deadline_ms: float | None,
    cancelled: Cancelled | None,
) -> Iterator[UpscaleResult]:
    """See :meth:`Upscaler.refine`."""
    start = time.perf_counter()

    def passed_ms() -> float:
        return (time.perf_counter() - start) * 1000

    def is_late() -> bool:
        return deadline_ms is not None and passed_ms() >= deadline_ms

    def stop() -> bool:
        return is_late() or (cancelled is not None and cancelled())

    steps = _Steps(upscaler, image)
    yield replace(steps.bicubic(RunOptions(cancelled=cancelled)), seconds=passed_ms() / 1000)
    for effort in efforts if steps.has_masks else (None,):
        begun = passed_ms()
        # A higher effort takes no less time than the one before, unless windows are enough.
        if is_late() or (deadline_ms is not None and begun + steps.least_ms > deadline_ms):
            return
        try:
            result = steps.at(effort, RunOptions(effort, cancelled=stop))
        except CancelledError:
            check_cancelled(cancelled)
            return
        if result is not None:
            yield replace(result, seconds=passed_ms() / 1000)


class _Steps:
    """The steps for one image, and what they share."""

    def __init__(self, upscaler: Upscaler, image: Any) -> None:
        self._upscaler, self._parts = upscaler, unpack(image)
        rgb, alpha = self._parts.rgb, self._parts.alpha
        self._route = upscaler.planned_route(rgb, has_alpha=alpha is not None)
        self._network = upscaler.network_for(self._route.scales[0])
        self._masks = mask_names(self._network.model.graph)
        self._is_one_network = len(self._route.scales) == 1
        self._filled: Pixels | None = None
        self._alpha: Pixels | None = None
        """The upscaled alpha, once a network ran."""
        self._gaps: npt.NDArray[np.float32] | None = None
        self._effort: float | None = None
        """That of the latest run."""
        self.least_ms = 0.0
        """Time that the next step takes at least: more effort takes no less time."""

    @property
    def has_masks(self) -> bool:
        """True if efforts differ."""
        return bool(self._masks)

    def bicubic(self, options: RunOptions) -> UpscaleResult:
        """The first step."""
        return self._run(self._parts.rgb, self._parts.alpha, replace(options, is_bicubic=True))

    def at(self, effort: float | None, options: RunOptions) -> UpscaleResult | None:
        """The result with an effort; None if it is that of the step before."""
        if self._is_same_mask(effort):
            return None
        start = time.perf_counter()
        if self._filled is not None:
            result = self._run(self._filled, None, options)
        else:
            result = self._run(self._parts.rgb, self._parts.alpha, options)
            if self._is_one_network:
                self._filled = without_holes(self._parts.rgb, self._parts.alpha)
        self._effort, self.least_ms = effort, (time.perf_counter() - start) * 1000
        return result

    def _run(self, rgb: Pixels, alpha: Pixels | None, options: RunOptions) -> UpscaleResult:
        with self._upscaler.reserved(self._route, options.cancelled):
            result, alpha = self._upscaler.upscale_planes(rgb, alpha, self._route, options)
            if not options.is_bicubic and self._alpha is None:
                self._alpha = alpha
            packed = self._parts.pack(result.image, alpha if options.is_bicubic else self._alpha)
        return replace(result, image=packed, notes=(*self._parts.notes, *result.notes))

    def _is_same_mask(self, effort: float | None) -> bool:
        """True if no pixel becomes active when the effort grows from that of the latest run."""
        before = self._effort
        if before is None or effort is None or not self._is_one_network or len(self._masks) != 1:
            return False
        precision = self._network.session.precision
        if self._gaps is None and self._filled is not None:
            self._gaps = MaskGaps(self._network.model, self._network.session.threads, precision)(self._filled)
        if self._gaps is None:
            return False
        tolerance = _TOLERANCE.get(precision, _OTHER_TOLERANCE)
        lowest, highest = -mask_bias(effort, False) - tolerance, -mask_bias(before, False) + tolerance
        return not bool(np.any((self._gaps >= lowest) & (self._gaps <= highest)))
