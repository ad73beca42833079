"""Colours that a file states by numbers instead of a profile: gAMA, cHRM and cICP of PNG, nclx of HEIF.

What they state decides how sample values look, so it must not be lost. A curve unlike sRGB's is converted to it,
other primaries become a profile, and values that no profile describes (HDR) can only be carried over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sparsesr.image.colour import Table, coded_table
from sparsesr.image.made_profile import (
    SRGB,
    SRGB_CHROMATICITIES,
    Chromaticities,
    Curve,
    made_profile,
)

_D65 = (0.3127, 0.3290)
# ITU-T H.273, table 2; 2 is unspecified.
_PRIMARIES = {
    1: SRGB_CHROMATICITIES,
    2: SRGB_CHROMATICITIES,
    4: Chromaticities((0.310, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Chromaticities(_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Chromaticities(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Chromaticities(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: Chromaticities(_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Chromaticities((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Chromaticities(_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
# H.273, table 3. Video curves (1, 6, 14, 15) are shown like sRGB, as browsers do.
_CURVES = dict.fromkeys((1, 2, 6, 13, 14, 15), SRGB) | {4: Curve(2.2), 5: Curve(2.8), 8: Curve(1.0)}
_HDR = {16: "PQ", 18: "HLG"}
_GAMMA_RANGE = (0.1, 10.0)


class Meaning(Enum):
    """What to do about stated colours."""

    ORDINARY = "sRGB: nothing"
    CONVERT = "sRGB primaries, another curve: convert the values"
    PROFILE = "other primaries: keep the values and add a profile"
    CARRY = "no profile describes them: keep the values and the statement"


@dataclass(frozen=True)
class StatedColours:
    """Primaries and a curve."""

    chromaticities: Chromaticities = SRGB_CHROMATICITIES
    curve: Curve = SRGB
    unusual: str = ""
    """The name of colours that primaries and a curve cannot express; empty for others."""
    code_points: bytes = b""
    """The numbers of H.273 of unusual colours, as in the PNG chunk cICP."""

    def meaning(self, channels: int) -> Meaning:
        """What to do for an image of 1 or 3 colour channels; grey has no primaries."""
        if self.unusual:
            return Meaning.CARRY
        if channels == 3 and not self.chromaticities.is_close_to(SRGB_CHROMATICITIES):
            return Meaning.PROFILE if self.profile is not None else Meaning.ORDINARY
        return Meaning.ORDINARY if self.curve.is_like_srgb else Meaning.CONVERT

    @property
    def profile(self) -> bytes | None:
        """An RGB profile that states the same; None if the primaries are nonsense."""
        return made_profile(self.chromaticities, self.curve)

    def to_srgb_table(self, bits: int) -> Table:
        """Look-up table from samples of 8 or 16 bits to sRGB-coded samples of 16 bits."""
        return coded_table(bits, self.curve.decoded)


def of_code_points(primaries: int, transfer: int, matrix: int, is_full_range: bool) -> StatedColours:
    """Colours by the numbers of ITU-T H.273 (CICP), of samples stored as RGB (matrix 0)."""
    numbers = bytes((primaries & 255, transfer & 255, matrix & 255, is_full_range))
    if transfer in _HDR:
        return StatedColours(unusual=f"HDR colours ({_HDR[transfer]})", code_points=numbers)
    if matrix != 0 or not is_full_range or primaries not in _PRIMARIES or transfer not in _CURVES:
        return StatedColours(
            unusual="colours of the kind " + "/".join(map(str, numbers)), code_points=numbers
        )
    return StatedColours(_PRIMARIES[primaries], _CURVES[transfer])


def of_gamma(file_gamma: float | None, chromaticities: tuple[float, ...] | None) -> StatedColours:
    """Colours by the exponent of encoding, as in gAMA (0.45455 for gamma 2.2), and white, red, green, blue x, y.

    Values out of any reason are ignored, as libpng does.
    """
    curve = SRGB
    if file_gamma is not None and _GAMMA_RANGE[0] <= file_gamma <= _GAMMA_RANGE[1]:
        curve = Curve(1 / file_gamma)
    if chromaticities is None or len(chromaticities) != 8:
        return StatedColours(curve=curve)
    pairs = [(chromaticities[k], chromaticities[k + 1]) for k in range(0, 8, 2)]
    return StatedColours(Chromaticities(*pairs), curve)
