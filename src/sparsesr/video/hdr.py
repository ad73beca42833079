"""HDR metadata of a stream: the mastering display and the content's light, as encoders take them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

_DISPLAY, _LIGHT = struct.Struct("22i"), struct.Struct("2I")
"""AVMasteringDisplayMetadata: fractions of red, green, blue and white x and y, of the least and the most luminance,
and two flags; AVContentLightMetadata."""


@dataclass(frozen=True)
class MasteringDisplay:
    """SMPTE ST 2086: chromaticities of red, green, blue and white, and luminances in cd/m2."""

    chromaticities: tuple[Fraction, ...]
    """x and y of red, green, blue, white."""
    least: Fraction
    most: Fraction

    def whole(self) -> tuple[int, ...]:
        """Chromaticities in 1/50000, luminances in 1/10000: the units of H.264 and H.265."""
        return (*(round(each * 50_000) for each in self.chromaticities), *self._luminances())

    def _luminances(self) -> tuple[int, int]:
        return round(self.least * 10_000), round(self.most * 10_000)


@dataclass(frozen=True)
class ContentLight:
    """CTA-861.3: the brightest pixel and the brightest frame on average, in cd/m2."""

    most: int
    most_on_average: int


@dataclass(frozen=True)
class Hdr:
    """What a stream states; None where it does not."""

    display: MasteringDisplay | None = None
    light: ContentLight | None = None


def parse_display(data: bytes) -> MasteringDisplay | None:
    """The mastering display of FFmpeg's side data; None if it is incomplete."""
    if len(data) < _DISPLAY.size:
        return None
    values = _DISPLAY.unpack_from(data)
    has_primaries, has_luminance = values[20:]
    denominators = values[1:20:2]
    if not (has_primaries and has_luminance) or 0 in denominators:
        return None
    numbers = [Fraction(top, bottom) for top, bottom in zip(values[0:20:2], denominators, strict=True)]
    return MasteringDisplay(tuple(numbers[:8]), numbers[8], numbers[9])


def parse_light(data: bytes) -> ContentLight | None:
    """The content light of FFmpeg's side data."""
    return ContentLight(*_LIGHT.unpack_from(data)) if len(data) >= _LIGHT.size else None


def x264_parameters(hdr: Hdr) -> list[str]:
    """For ``x264-params``."""
    display = [f"mastering-display={_in_units(hdr.display)}"] if hdr.display else []
    return [*display, *([f"cll={hdr.light.most},{hdr.light.most_on_average}"] if hdr.light else [])]


def x265_parameters(hdr: Hdr) -> list[str]:
    """For ``x265-params``."""
    display = [f"master-display={_in_units(hdr.display)}"] if hdr.display else []
    return [*display, *([f"max-cll={hdr.light.most},{hdr.light.most_on_average}"] if hdr.light else [])]


def svt_parameters(hdr: Hdr) -> list[str]:
    """For ``svtav1-params``, which takes decimal fractions."""
    parameters: list[str] = []
    if hdr.display is not None:
        rx, ry, gx, gy, bx, by, wx, wy = (f"{float(each):.6f}" for each in hdr.display.chromaticities)
        luminances = f"{float(hdr.display.most):.4f},{float(hdr.display.least):.6f}"
        parameters.append(
            f"mastering-display=G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({luminances})"
        )
    if hdr.light is not None:
        parameters.append(f"content-light={hdr.light.most},{hdr.light.most_on_average}")
    return parameters


def _in_units(display: MasteringDisplay) -> str:
    rx, ry, gx, gy, bx, by, wx, wy, least, most = display.whole()
    return f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({most},{least})"
