"""Chooses the precision of a network: fp32 or bf16."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sparsesr import _native
from sparsesr.errors import UsageError
from sparsesr.modelfile.bf16_cost import Bf16Cost

PRECISIONS = ("auto", "fp32", "bf16")
MIN_GAIN = 1.3
"""``auto`` takes bf16 where it multiplies at least this many times as fast as fp32..."""
MAX_COST_DB = 0.01
"""...and where no picture that it was measured on lost more PSNR-Y than this."""
_PROBE_MS = 3


@dataclass(frozen=True)
class PrecisionChoice:
    """What a network is computed in."""

    precision: str
    """``fp32`` or ``bf16``."""
    reason: str
    """Why, as a clause that can follow "because"."""


def choose_precision(
    wanted: str, cost: Bf16Cost | None, *, has_bf16_layers: bool = True, emulate: bool = False
) -> PrecisionChoice:
    """``fp32`` or ``bf16`` for a wish that may be ``auto``.

    A processor without bf16 instructions computes in fp32 whatever is wished, and so does a network without a layer
    that can run in bf16. ``auto`` takes bf16 where it is faster, by a measurement of a few milliseconds (there are
    processors whose bf16 instructions are slower than fp32), and keeps the quality, by what the model file says.

    Args:
        wanted: one of ``PRECISIONS``.
        cost: what bf16 costs the model at its scale; None if that is not known.
        has_bf16_layers: whether any layer can run in bf16.
        emulate: do without the instructions; the plain kernels know bf16 too.

    Raises:
        UsageError: no such precision.
    """
    if wanted not in PRECISIONS:
        raise UsageError(f"precision must be one of {', '.join(PRECISIONS)}, not {wanted}")
    if wanted == "fp32":
        return PrecisionChoice("fp32", "it was asked for")
    if not (emulate or _native.has_fast_bf16()):
        return PrecisionChoice("fp32", "this processor has no bf16 instructions")
    if not has_bf16_layers:
        return PrecisionChoice("fp32", "the network has no layer that can run in bf16")
    if wanted == "bf16":
        return PrecisionChoice("bf16", "it was asked for")
    if bf16_gain() < MIN_GAIN:
        return PrecisionChoice("fp32", f"bf16 multiplies {bf16_gain():.1f} times as fast as fp32 here")
    return PrecisionChoice("bf16" if keeps_quality(cost) else "fp32", cost_words(cost))


def keeps_quality(cost: Bf16Cost | None) -> bool:
    """Whether ``auto`` may take bf16."""
    return cost is not None and cost.worst_db <= MAX_COST_DB


def cost_words(cost: Bf16Cost | None) -> str:
    """What is known about the quality of a model in bf16, as a clause."""
    if cost is None:
        return "the file does not say what bf16 costs (`sparsesr models measure` adds that)"
    compared = "not more" if keeps_quality(cost) else "more"
    return f"bf16 costs at most {max(cost.worst_db, 0):.4f} dB, {compared} than {MAX_COST_DB:g} dB"


@lru_cache(maxsize=1)
def bf16_gain() -> float:
    """How many times as fast as in fp32 this processor multiplies and adds in bf16."""
    peaks = {dtype: _native.multiply_add_peak(dtype, 1, _PROBE_MS) for dtype in ("f32", "bf16")}
    return peaks["bf16"] / peaks["f32"]
