"""Colour: classification of profiles, conversion to sRGB, and linear light.

Ordinary gamma-coded RGB and grey keep their sample values and their profile, whatever the gamut, so that nothing
is lost. Only values that would mislead a network are converted.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips

from sparsesr.image import vips
from sparsesr.image.samples import quantised

Table = npt.NDArray[Any]
"""A look-up table of uint8 or uint16."""

_RAMP = 17
_LINEAR_ABOVE_L = 66.0  # L* of half the code range: sRGB 53, gamma 1.8 61, gamma 1.5 66, linear 76
_GREY_CHROMA_BELOW = 12.0
_COLOUR_SPACES = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}


class ProfileKind(Enum):
    """What an embedded profile means for the sample values."""

    GAMMA = "gamma-coded RGB or grey: values are kept"
    LINEAR = "linear light: values are gamma-coded for the network and converted back afterwards"
    OTHER = "values are not ordinary RGB (XYB, swapped channels): converted to sRGB"
    BROKEN = "unreadable, or for another number of channels"


def classify_profile(icc: bytes, channels: int) -> ProfileKind:
    """Classify a profile by converting a grey ramp (and the primaries) through it to CIELab.

    This tests how the values look, and so treats table-based and parametric profiles alike. ``channels`` is 1
    or 3.
    """
    if not is_well_formed(icc, channels):
        return ProfileKind.BROKEN
    try:
        lab = _probe(icc, channels)
    except pyvips.Error:
        return ProfileKind.BROKEN
    ramp = lab[:_RAMP]
    if np.any(np.diff(ramp[:, 0]) < -0.5) or (ramp[-1, 0] - ramp[0, 0]) < 50.0:
        return ProfileKind.OTHER
    if channels == 3 and (
        np.abs(ramp[:, 1:]).max() > _GREY_CHROMA_BELOW or not _primaries_in_order(lab[_RAMP:])
    ):
        return ProfileKind.OTHER
    return ProfileKind.LINEAR if ramp[_RAMP // 2, 0] > _LINEAR_ABOVE_L else ProfileKind.GAMMA


def is_well_formed(icc: bytes, channels: int) -> bool:
    """Check header and tag table: libvips silently falls back to another profile for one that it cannot read.

    ``channels`` is 1 (grey), 3 (RGB) or 4 (CMYK).
    """
    if len(icc) < 132 or icc[36:40] != b"acsp" or icc[16:20] != _COLOUR_SPACES[channels]:
        return False
    size, count = struct.unpack_from(">I", icc, 0)[0], struct.unpack_from(">I", icc, 128)[0]
    if size > len(icc) or not 0 < count <= 200 or 132 + 12 * count > size:
        return False
    spans = (struct.unpack_from(">II", icc, 132 + 12 * k + 4) for k in range(count))
    return all(offset + length <= size for offset, length in spans)


def _probe(icc: bytes, channels: int) -> npt.NDArray[np.float32]:
    ramp = np.repeat(np.linspace(0, 65535, _RAMP).round()[:, None], channels, axis=1)
    primaries = np.eye(channels) * 65535 if channels == 3 else np.empty((0, 1))
    samples = np.vstack([ramp, primaries]).astype(np.uint16)
    image = vips.image_over(samples[None]).copy(interpretation="rgb16" if channels == 3 else "grey16")
    vips.set_blob(image, "icc-profile-data", icc)
    lab = image.icc_import(embedded=True, intent="relative", pcs="lab")
    return vips.pixels_of(lab.cast("float"))[0]


def _primaries_in_order(lab: npt.NDArray[np.float32]) -> bool:
    red, green, blue = lab
    return bool(red[1] > 20 and green[1] < -20 and blue[2] < -20)


def to_srgb(image: pyvips.Image) -> pyvips.Image:
    """Convert CMYK, XYB and the like to sRGB through the embedded profile.

    Untagged CMYK uses a generic press profile. 8-bit input gives 8 bits, 16-bit input 16. The intent is
    relative colorimetric with black point compensation, as in browsers.
    """
    return image.icc_transform(
        "srgb",
        embedded=True,
        input_profile="cmyk" if image.interpretation == "cmyk" else "none",
        intent="relative",
        black_point_compensation=True,
        depth=16 if image.format == "ushort" else 8,
    )


def grey_to_srgb_table(icc: bytes, bits: int) -> Table:
    """Look-up table from samples of 8 or 16 bits with a grey profile to sRGB-coded ones of as many bits."""
    ramp = np.arange(1 << bits).astype(np.uint16 if bits == 16 else np.uint8)
    image = vips.as_ordinary(vips.image_over(ramp[None]))
    vips.set_blob(image, "icc-profile-data", icc)
    return np.ascontiguousarray(vips.pixels_of(to_srgb(image))[0, :, 1])


def lab_to_srgb(image: pyvips.Image, bits: int) -> pyvips.Image:
    """Convert a libvips Lab image (D50, as in TIFF and profiles) to sRGB of 8 or 16 bits, alpha kept."""
    return image.icc_export(output_profile="srgb", pcs="lab", intent="relative", depth=bits)


def lab_of_bytes(stored: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Float Lab of samples as in TIFF: L scaled to 0..255, a and b as signed bytes."""
    stored = np.ascontiguousarray(stored)
    lab = stored.view(np.int8).astype(np.float32)
    lab[..., 0] = stored[..., 0] * np.float32(100 / 255)
    return lab


def srgb_encode(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The sRGB curve (IEC 61966-2-1): linear light 0..1 to code values 0..1."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0.0) ** (1 / 2.4) - 0.055)


def srgb_decode(coded: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The inverse of ``srgb_encode``."""
    return np.where(coded <= 0.04045, coded / 12.92, ((np.maximum(coded, 0.0) + 0.055) / 1.055) ** 2.4)


def coded_table(bits: int, decoded: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]) -> Table:
    """Look-up table from samples of 8 or 16 bits, whose light is ``decoded``, to sRGB-coded samples of 16 bits."""
    levels = np.arange(1 << bits) / ((1 << bits) - 1)
    return quantised(srgb_encode(decoded(levels)), np.uint16)


def linear_to_coded_table(bits: int) -> Table:
    """Look-up table from linear samples of 8 or 16 bits to sRGB-coded samples of 16 bits."""
    return coded_table(bits, lambda levels: levels)


def output_table(from_bits: int, to_bits: int, is_linear: bool) -> Table | None:
    """Look-up table from working samples to those of the file; None if they are the same.

    Changes the depth (rounded) and, for linear-light files, inverts the sRGB curve.
    """
    if from_bits == to_bits and not is_linear:
        return None
    levels = np.arange(1 << from_bits) / ((1 << from_bits) - 1)
    return quantised(srgb_decode(levels) if is_linear else levels, np.uint16 if to_bits == 16 else np.uint8)


def look_up(table: Table, samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``table[samples]``, computed row by row.

    numpy widens indices to 64 bits, so a single look-up would take eight times the memory.
    """
    out = np.empty(samples.shape, table.dtype)
    for row in range(len(samples)):
        out[row] = table[samples[row]]
    return out


def to_grey(rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert a network's (H, W, 3) output for a grey image back to grey (H, W): BT.601 luma.

    Luma rather than the mean, because PSNR-Y measures luma. The integer weights sum to exactly one, so equal
    channels come back unchanged, in 8 and in 16 bits.
    """
    out = np.empty(rgb.shape[:2], rgb.dtype)
    for row in range(len(rgb)):
        red, green, blue = rgb[row].astype(np.uint32).T
        out[row] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    return out
