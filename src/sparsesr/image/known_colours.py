"""Conversion of any image to grey or RGB whose values a network can take, for files and for images in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pyvips

from sparsesr.image import colour, vips
from sparsesr.image.colour import ProfileKind, Table
from sparsesr.image.decoded_image import Transfer
from sparsesr.image.stated_colours import Meaning, StatedColours


@dataclass(frozen=True)
class KnownColours:
    """Grey or RGB, and alpha; and what its values mean."""

    image: pyvips.Image
    icc: bytes | None = None
    """The profile of the values; None: sRGB."""
    code_table: Table | None = None
    """Applied to the colours, it makes them gamma-coded; 16 bits."""
    transfer: Transfer = "gamma"
    """"linear": the file holds linear light, and the result is converted back to it."""
    is_converted: bool = False
    """The values are no longer what the file states."""


def ordinary_image(samples: npt.NDArray[Any], icc: bytes | None) -> pyvips.Image:
    """A libvips image over (H, W, 1 to 4) grey or RGB samples, uint8 or uint16, with this profile embedded."""
    image = vips.as_ordinary(vips.image_over(samples))
    if icc is not None:
        vips.set_blob(image, "icc-profile-data", icc)
    return image


def with_known_colours(
    image: pyvips.Image, icc: bytes | None, stated: StatedColours | None, notes: list[str]
) -> KnownColours:
    """Convert what is not ordinary RGB or grey, and keep all other values and their profile.

    ``image`` is in uchar, ushort or float and carries ``icc``, if any, as its embedded profile. ``stated`` holds
    without a profile; unusual ones (HDR) hold even beside one.
    """
    if image.interpretation in ("lab", "labs", "labq"):
        notes.append("CIELab converted to sRGB")
        bits = 8 if image.interpretation == "labq" else 16
        return KnownColours(colour.lab_to_srgb(image.colourspace("lab"), bits), is_converted=True)
    if image.interpretation == "cmyk":
        kind = "its own" if icc is not None and colour.is_well_formed(icc, 4) else "a generic"
        notes.append(f"CMYK converted to sRGB ({kind} profile)")
        return KnownColours(colour.to_srgb(image), is_converted=True)
    channels = 1 if image.bands <= 2 else 3
    if stated is not None and stated.unusual:
        return KnownColours(image, icc)
    if icc is not None:
        profiled = _with_profile(image, icc, channels, notes)
        if profiled is not None:
            return profiled
        notes.append("the colour profile is damaged or does not match and was left out")
    return KnownColours(image) if stated is None else _with_stated(image, stated, channels, notes)


def _with_profile(image: pyvips.Image, icc: bytes, channels: int, notes: list[str]) -> KnownColours | None:
    """The image by its profile; None if that says nothing, such as one for RGB in a grey image."""
    kind = colour.classify_profile(icc, channels)
    if kind is ProfileKind.BROKEN:
        return None
    if kind is ProfileKind.OTHER and channels == 3 and image.format in ("uchar", "ushort"):
        notes.append("converted to sRGB: the colour profile does not describe ordinary RGB")
        return KnownColours(colour.to_srgb(image), is_converted=True)
    if kind is ProfileKind.LINEAR:
        notes.append("linear light: upscaled gamma-coded, written as linear light")
        return KnownColours(image, icc, colour.linear_to_coded_table(_bits(image)), "linear")
    return KnownColours(image, icc)


def _with_stated(image: pyvips.Image, stated: StatedColours, channels: int, notes: list[str]) -> KnownColours:
    meaning = stated.meaning(channels)
    if meaning is Meaning.CONVERT:
        gamma = stated.curve.gamma
        notes.append(f"converted to sRGB from gamma {gamma:.3g}, which the file states")
        return KnownColours(image, None, stated.to_srgb_table(_bits(image)), is_converted=True)
    if meaning is not Meaning.PROFILE:
        return KnownColours(image)
    notes.append("the primaries that the file states are kept as a colour profile")
    icc = stated.profile
    profiled = None if icc is None else _with_profile(image, icc, channels, notes)
    return profiled or KnownColours(image)


def _bits(image: pyvips.Image) -> int:
    """Bits of the integer samples that the image becomes; floats become 16 bits."""
    return 8 if image.format == "uchar" else 16
