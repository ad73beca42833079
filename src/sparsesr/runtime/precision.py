"""Choice of the precision a network runs in: fp32 or bf16."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sparsesr import _native
from sparsesr.errors import UsageError
from sparsesr.modelfile.bf16_cost import Bf16Cost

PRECISIONS = ("auto", "fp32", "bf16")
MIN_GAIN = 1.3
"""``auto`` picks bf16 if it multiplies at least this many times as fast as fp32..."""
MAX_COST_DB = 0.01
"""...and if no image it was measured on lost more PSNR-Y than this, in dB."""
_PROBE_MS = 3


@dataclass(frozen=True)
class PrecisionChoice:
    """The precision of a network, and why."""

    precision: str
    """``fp32`` or ``bf16``."""
    reason: str
    """A clause that can follow "because"."""


def choose_precision(
    wanted: str, cost: Bf16Cost | None, *, has_bf16_layers: bool = True, emulate: bool = False
) -> PrecisionChoice:
    """Resolve a requested precision, which may be ``auto``, to ``fp32`` or ``bf16``.

    Always fp32 on a processor without bf16 instructions, and for a network without a layer that can run in bf16.
    ``auto`` picks bf16 if it is faster, measured in a few milliseconds (on some processors bf16 instructions are
    slower than fp32), and if the model file says that it keeps the quality.

    Args:
        wanted: one of ``PRECISIONS``.
        cost: quality that bf16 costs the model at its scale; None if unknown.
        has_bf16_layers: whether any layer can run in bf16.
        emulate: allow bf16 without the instructions; the plain kernels support it too.

    Raises:
        UsageError: unknown precision.
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
    """Whether the measured loss is small enough for ``auto`` to pick bf16; False if unknown."""
    return cost is not None and cost.worst_db <= MAX_COST_DB


def cost_words(cost: Bf16Cost | None) -> str:
    """The known quality loss in bf16, as a clause."""
    if cost is None:
        return "the file does not say what bf16 costs (`sparsesr models measure` adds that)"
    compared = "not more" if keeps_quality(cost) else "more"
    return f"bf16 costs at most {max(cost.worst_db, 0):.4f} dB, {compared} than {MAX_COST_DB:g} dB"


@lru_cache(maxsize=1)
def bf16_gain() -> float:
    """Multiply-add throughput of this processor in bf16, relative to fp32."""
    peaks = {dtype: _native.multiply_add_peak(dtype, 1, _PROBE_MS) for dtype in ("f32", "bf16")}
    return peaks["bf16"] / peaks["f32"]
