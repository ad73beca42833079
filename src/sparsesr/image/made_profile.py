"""Colour spaces given by primaries and a curve, and a profile (ICC.1:2010, version 4.3) made for one.

PNG, HEIF and BMP files may describe their colours by numbers instead of a profile. A profile that says the same lets
sample values be kept, and goes into files of any format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SAME_PRIMARIES = 0.004
"""Chromaticities that differ by less are the same: files round them."""
_DESCRIPTION = "colours as stated by the image file"


@dataclass(frozen=True)
class Curve:
    """Code value x in 0..1 to linear light: ``(a * x + b) ** gamma`` from ``cut`` on, ``slope * x`` below."""

    gamma: float
    a: float = 1.0
    b: float = 0.0
    slope: float = 0.0
    cut: float = 0.0

    def decoded(self, levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Linear light of code values."""
        powers = np.maximum(self.a * levels + self.b, 0.0) ** self.gamma
        return np.where(levels >= self.cut, powers, self.slope * levels)

    @property
    def is_like_srgb(self) -> bool:
        """The curve of sRGB, or gamma 2.2 up to 5 %, which libpng takes for the same."""
        return self == SRGB or (self.b == 0.0 and abs(self.gamma / 2.2 - 1.0) < 0.05)


SRGB = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@dataclass(frozen=True)
class Chromaticities:
    """CIE x, y of white, red, green, blue."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]

    def is_close_to(self, other: Chromaticities) -> bool:
        """All are the same up to rounding."""
        mine, theirs = (np.array([c.white, c.red, c.green, c.blue]) for c in (self, other))
        return bool(np.abs(mine - theirs).max() < _SAME_PRIMARIES)

    def to_xyz_d50(self) -> Matrix | None:
        """The (3, 3) matrix from linear RGB to XYZ, adapted to D50 (Bradford); None if they span no space."""
        try:
            primaries = np.array([_xyz(*point) for point in (self.red, self.green, self.blue)]).T
            white = _xyz(*self.white)
            scaled = primaries * np.linalg.solve(primaries, white)
            gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
            matrix: Matrix = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD @ scaled
        except (ZeroDivisionError, np.linalg.LinAlgError):
            return None
        return matrix if bool(np.isfinite(matrix).all()) and np.abs(matrix).max() < 4 else None


SRGB_CHROMATICITIES = Chromaticities((0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))


def _xyz(x: float, y: float) -> Matrix:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def made_profile(chromaticities: Chromaticities, curve: Curve) -> bytes | None:
    """An RGB profile with these primaries and this curve; None if the primaries span no space."""
    matrix = chromaticities.to_xyz_d50()
    if matrix is None:
        return None
    columns = {b"rXYZ": matrix[:, 0], b"gXYZ": matrix[:, 1], b"bXYZ": matrix[:, 2], b"wtpt": _D50}
    tags = {b"desc": _text(_DESCRIPTION), b"cprt": _text("public domain")}
    tags |= {name: b"XYZ \0\0\0\0" + _fixed(*column) for name, column in columns.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _parametric(curve))
    return _assembled(tags)


def _fixed(*values: float) -> bytes:
    """s15Fixed16Numbers."""
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _text(text: str) -> bytes:
    body = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(body), 28) + body


def _parametric(curve: Curve) -> bytes:
    """A parametricCurveType of the fourth kind (section 10.16)."""
    return (
        b"para\0\0\0\0"
        + struct.pack(">HH", 3, 0)
        + _fixed(curve.gamma, curve.a, curve.b, curve.slope, curve.cut)
    )


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", start + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    size = start + len(data)
    version, signature = 0x04300000, b"mntrRGB XYZ "
    header = struct.pack(">I4xI12s12x4s", size, version, signature, b"acsp") + bytes(28) + _fixed(*_D50)
    return header.ljust(128, b"\0") + table + data
