"""Choice of the precision a network runs in: fp32, bf16 or int8."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, reduce
from math import inf
from typing import Any

from sparsesr import _native
from sparsesr.errors import UsageError
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS, PrecisionCost
from sparsesr.modelfile.spec import Facts
from sparsesr.runtime.graph.precision_work import PrecisionWork, Works

PRECISIONS = ("auto", "fp32", *REDUCED_PRECISIONS)
MIN_GAIN = 1.3
"""``auto`` picks a precision if it multiplies at least this many times as fast as fp32..."""
MAX_COST_DB = {"bf16": 0.01, "int8": 0.03}
"""...and no image it was measured on lost more PSNR-Y than this, in dB."""
MIN_GAIN_OF_REST = 4.0
"""What int8 leaves over is in bf16 if the processor multiplies it this many times as fast as fp32: tiles do. Vectors
round to bf16 in several instructions, which takes what they gain."""
MIN_ADVANTAGE = 1.1
"""It picks int8 instead of bf16 if the whole network should be at least this many times as fast."""
DTYPES = {"bf16": "bf16", "int8": "u8"}
"""Number type of the maps in each precision, as kernels name it."""
ALL_OF_IT: Works = {"bf16": PrecisionWork(1.0), "int8": PrecisionWork(1.0)}
"""Work of a network that runs entirely in either precision."""
_SHARE_OF_PEAK = {"bf16": 0.45, "int8": 0.75}
_WRITTEN = {"bf16": 28, "int8": 37}
_COPIED = 40
"""Time of a masked 3x3 convolution of 32 to 64 channels with AMX: that of its multiply-adds at this share of the peak,
and for each value that it writes, or copies in 8 bits, that of so many multiply-adds in fp32."""
_PROBE_MS, _PROBES = 1, 2
"""The types are measured in turns, so that what slows the processor for a while hardly slows one of them alone."""
_adopted: dict[str, float] = {}


@dataclass(frozen=True)
class PrecisionChoice:
    """The precision of a network, and why."""

    precision: str
    """``fp32``, ``bf16`` or ``int8``."""
    reason: str
    """A clause that can follow "because"."""
    rest: str = "fp32"
    """In int8, the precision of what has no scales: ``bf16`` where the processor multiplies that much faster."""


def choose_precision(
    wanted: str, facts: Facts, works: Works = ALL_OF_IT, *, emulate: bool = False
) -> PrecisionChoice:
    """Resolve a requested precision, which may be ``auto``, to ``fp32``, ``bf16`` or ``int8``.

    Always fp32 on a processor without the instructions, and for a network without a layer that can run in the
    precision. ``auto`` picks, of the precisions that multiply faster than fp32, measured in a few milliseconds (on some
    processors bf16 instructions are slower), and of which the model file says that they keep the quality, the one in
    which this network should take least time. What int8 leaves over is in bf16 where that is faster; for
    ``auto``, both losses together must be small enough.

    Args:
        wanted: one of ``PRECISIONS``.
        facts: those of the model, with the measured costs.
        works: what of the network can run in each precision; missing: no layer can.
        emulate: allow precisions without the instructions; the plain kernels support all. What int8 leaves over
            then stays in fp32, so that results do not depend on the processor.

    Raises:
        UsageError: unknown precision, or int8 for a model without scales.
    """
    if wanted not in PRECISIONS:
        raise UsageError(f"precision must be one of {', '.join(PRECISIONS)}, not {wanted}")
    if wanted == "fp32":
        return PrecisionChoice("fp32", "it was asked for")
    if wanted == "auto":
        return _fastest(facts, works, emulate)
    obstacle = _obstacle(wanted, works, emulate)
    if obstacle is None:
        return _choice(wanted, "it was asked for", _rest(wanted, works, emulate))
    if wanted == "int8" and wanted not in works and (emulate or has_instructions(wanted)):
        raise UsageError(
            f"{facts.name} has no scales for int8",
            remedy="add them with `sparsesr models quantize`, or use another precision",
        )
    return PrecisionChoice("fp32", obstacle)


def _fastest(facts: Facts, works: Works, emulate: bool) -> PrecisionChoice:
    """The fastest precision that ``auto`` may take; otherwise fp32, with a reason for each of the others."""
    against: list[str] = []
    allowed: list[str] = []
    for precision in REDUCED_PRECISIONS:
        obstacle = _obstacle(precision, works, emulate) or _too_slow(precision)
        if obstacle is None and keeps_quality(precision, facts.cost(precision)):
            allowed.append(precision)
        else:
            against.append(obstacle or cost_words(precision, facts.cost(precision)))
    if not allowed:
        return PrecisionChoice("fp32", "; ".join(against))
    rests = {precision: _rest(precision, works, emulate, facts) for precision in allowed}
    gains = {precision: network_gain(precision, works, rests[precision]) for precision in allowed}
    best = reduce(lambda one, other: other if gains[other] >= MIN_ADVANTAGE * gains[one] else one, allowed)
    others = (f"{gains[best] / gain:.1f} times as fast as in {x}" for x, gain in gains.items() if x != best)
    compared = "".join(f"; this network should be {other}" for other in others)
    return _choice(best, cost_words(best, facts.cost(best)) + compared, rests[best])


def _choice(precision: str, reason: str, rest: str) -> PrecisionChoice:
    return PrecisionChoice(precision, reason if rest == "fp32" else f"{reason}; the rest is in {rest}", rest)


def _rest(precision: str, works: Works, emulate: bool, promised: Facts | None = None) -> str:
    """Precision of what int8 leaves over; `promised`: the losses of both together must keep the promise of ``auto``."""
    if precision != "int8" or emulate or _obstacle("bf16", works, emulate) or gain("bf16") < MIN_GAIN_OF_REST:
        return "fp32"
    return "bf16" if promised is None or _keep_quality_together(promised) else "fp32"


def _keep_quality_together(facts: Facts) -> bool:
    costs = [facts.cost(precision) for precision in REDUCED_PRECISIONS]
    return sum(inf if cost is None else max(cost.worst_db, 0) for cost in costs) <= MAX_COST_DB["int8"]


def network_gain(precision: str, works: Works, rest: str = "fp32") -> float:
    """Estimated speed of a network relative to its multiply-adds in fp32: some in the precision, some in `rest`."""
    own = works[precision]
    others = max(works[rest].share - own.share, 0.0) if rest in works else 0.0
    time = own.share / (gain(precision) * _SHARE_OF_PEAK[precision])
    time += own.written * _WRITTEN[precision] + own.copied * _COPIED
    if others > 0:
        time += others / (gain(rest) * _SHARE_OF_PEAK[rest])
    return 1 / (time + 1 - own.share - others)


def _obstacle(precision: str, works: Works, emulate: bool) -> str | None:
    """What prevents a precision, as a clause; None if nothing does."""
    if not (emulate or has_instructions(precision)):
        return f"this processor has no {precision} instructions"
    if precision in works:
        return None
    if precision == "int8":
        return "the file has no scales for int8 (`sparsesr models quantize` adds them)"
    return f"the network has no layer that can run in {precision}"


def has_instructions(precision: str) -> bool:
    """Whether the instruction set in force multiplies in this precision."""
    return {"bf16": _native.has_fast_bf16, "int8": _native.has_fast_int8}[precision]()


def _too_slow(precision: str) -> str | None:
    if gain(precision) >= MIN_GAIN:
        return None
    if gain(precision) == 0:
        return f"not all processors at work have {precision} instructions"
    return f"{precision} multiplies {gain(precision):.1f} times as fast as fp32 here"


def keeps_quality(precision: str, cost: PrecisionCost | None) -> bool:
    """Whether the measured loss is small enough for ``auto`` to pick the precision; False if unknown."""
    return cost is not None and cost.worst_db <= MAX_COST_DB[precision]


def cost_words(precision: str, cost: PrecisionCost | None) -> str:
    """The known quality loss in a precision, as a clause."""
    if cost is None:
        return f"the file does not say what {precision} costs (`sparsesr models measure` adds that)"
    compared = "not more" if keeps_quality(precision, cost) else "more"
    return f"{precision} costs at most {max(cost.worst_db, 0):.4f} dB, {compared} than {MAX_COST_DB[precision]:g} dB"


def gain(precision: str) -> float:
    """Multiply-add throughput of the instruction set in force in a precision, relative to fp32."""
    if precision in _adopted:
        return _adopted[precision]
    kernels, measured = _native.kernel_table(), {precision, *filter(has_instructions, REDUCED_PRECISIONS)}
    dtypes = sorted(DTYPES[each] for each in measured)
    peaks = _peaks(("f32", kernels["conv"]), *((dtype, kernels[f"conv_{dtype}"]) for dtype in dtypes))
    return peaks[DTYPES[precision]] / peaks["f32"]


def gains() -> dict[str, float]:
    """The gain of each precision; 0 without the instructions."""
    return {each: gain(each) if has_instructions(each) else 0.0 for each in REDUCED_PRECISIONS}


def adopt_gains(measured: Mapping[str, float]) -> None:
    """Let ``auto`` decide by these gains in this process: of several, all decide like the one that measured."""
    _adopted.update(measured)


def lasting_choice(wanted: str, measured: Mapping[str, float]) -> dict[str, Any]:
    """What of the choice of a precision is the same each time, however the gains are measured.

    Args:
        wanted: the precision that was asked for.
        measured: the gain of each precision, as of :func:`gains`.
    """
    return {"precision": wanted, "instructions": [each for each in REDUCED_PRECISIONS if measured[each] > 0]}


@cache
def _peaks(*kernels: tuple[str, str]) -> dict[str, float]:
    """GFLOP/s of one thread by number type, measured once for each set of (number type, kernel)."""
    dtypes = [dtype for dtype, _ in kernels]
    rounds = [[_native.multiply_add_peak(dtype, 1, _PROBE_MS) for dtype in dtypes] for _ in range(_PROBES)]
    return dict(zip(dtypes, map(max, *rounds), strict=True))
