"""Channels of a TIFF page: which samples are colours, which one is alpha, and which are something else.

A TIFF may hold any number of samples after its colours: alpha, saved selections, spot inks, infrared. The tag
ExtraSamples says which are alpha (TIFF 6.0, section 18); libvips does not ask it and goes by the number of bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyvips

from sparsesr.errors import InputError
from sparsesr.image.stated_colours import StatedColours, of_gamma
from sparsesr.image.tiff_pages import TiffPage
from sparsesr.image.tiff_tags import (
    BITS,
    COMPRESSION,
    EXTRA_SAMPLES,
    INK_SET,
    INKS,
    PHOTOMETRIC,
    PLANAR,
    PRIMARIES,
    SAMPLE_FORMAT,
    SAMPLES,
    TILE_WIDTH,
    WHITE_POINT,
)

_COLOURS = {0: 1, 1: 1, 2: 3, 5: 4, 6: 3, 8: 3}
_MIN_IS_WHITE, _RGB, _PALETTE, _SEPARATED = 0, 2, 3, 5
_CMYK = 1  # of InkSet
_ASSOCIATED = 1  # premultiplied
_ALPHAS = (_ASSOCIATED, 2)  # or unassociated
_PHOTOMETRICS = {
    4: "a transparency mask",
    9: "ICCLab colours",
    10: "ITULab colours",
    32844: "LogL luminance",
    32845: "LogLuv colours",
    51177: "a depth map",
}
_COMPRESSIONS = {
    6: "old-style JPEG",
    34661: "JBIG",
    34676: "SGI Log",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG",
    34925: "LZMA",
    34927: "WebP",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_SEPARATE_PLANES, _FLOAT, _COMPLEX = 2, 3, (5, 6)


@dataclass(frozen=True)
class _Channels:
    colours: int
    alpha: int | None
    """Position of the alpha sample; None: there is none."""
    left_out: int
    is_guess: bool = False
    """The file does not say that its last sample is alpha."""


def with_known_channels(image: pyvips.Image, page: TiffPage, name: str, notes: list[str]) -> pyvips.Image:
    """Reduce an image, as libvips reads it, to its colours and alpha. InputError for inks other than CMYK."""
    colours = _COLOURS.get(page.first(PHOTOMETRIC, -1))
    _check_colours(page, name)
    if colours is None or image.bands != page.first(SAMPLES, 1) or image.bands < colours:
        return image  # such as a palette, which libvips expands
    channels = _channels(colours, image.bands, page.integers(EXTRA_SAMPLES))
    _check_premultiplied(image, page, channels, name)
    if channels.is_guess:
        notes.append("the TIFF does not say what its last channel is; it is taken as alpha")
    if channels.left_out:
        notes.append(
            f"{channels.left_out} extra channel{'s' * (channels.left_out > 1)} of the TIFF left out"
            " (saved selections or the like, not alpha)"
        )
    selected = _selected(image, channels)
    if (
        page.first(PHOTOMETRIC, -1) == _MIN_IS_WHITE and image.format == "float"
    ):  # libvips inverts integers only
        factors = [-1.0, 1.0][: selected.bands]
        return selected.linear(factors, [1.0, 0.0][: selected.bands])
    return selected


def lacks_extra_samples_tag(page: TiffPage) -> bool:
    """The page has more samples than colours and does not say what they are; libtiff warns of that."""
    colours = _COLOURS.get(page.first(PHOTOMETRIC, -1), page.first(SAMPLES, 1))
    return page.first(SAMPLES, 1) > colours and not page.integers(EXTRA_SAMPLES)


def _check_colours(page: TiffPage, name: str) -> None:
    """Refuse what libvips would read as if it were RGB or CMYK."""
    photometric = page.first(PHOTOMETRIC, -1)
    if photometric not in (-1, _PALETTE, *_COLOURS):
        what = _PHOTOMETRICS.get(photometric, f"colours of the kind {photometric}")
        raise InputError(
            f"is a TIFF with {what}, which is not supported", where=name, remedy="save it as RGB or grey"
        )
    if photometric != _SEPARATED:
        return
    inks = min(page.first(INKS, 4), page.first(SAMPLES, 1))
    if inks != 4 or page.first(INK_SET, _CMYK) != _CMYK:
        raise InputError(
            f"is a TIFF of {inks} inks that are not CMYK, which is not supported",
            where=name,
            remedy="convert it to RGB or CMYK",
        )


def _check_premultiplied(image: pyvips.Image, page: TiffPage, channels: _Channels, name: str) -> None:
    """Refuse what libvips divides by alpha as if that reached 255."""
    is_float_grey = image.format == "float" and channels.colours == 1
    has_associated = channels.alpha is not None and _ASSOCIATED in page.integers(EXTRA_SAMPLES)
    if has_associated and (is_float_grey or image.format == "uint"):
        raise InputError(
            f"is a TIFF with premultiplied alpha in {'float grey' if is_float_grey else '32-bit integers'},"
            " which is not supported",
            where=name,
            remedy="save it with 8 or 16 bits",
        )


def _channels(colours: int, samples: int, extras: list[int]) -> _Channels:
    count = samples - colours
    if count == 1 and not extras:
        return _Channels(colours, colours, 0, is_guess=True)
    # The extra samples come last, even where the tag lists fewer than there are.
    kinds = ([0] * count + extras)[-count:] if count > 0 else []
    alpha = next((colours + at for at, kind in enumerate(kinds) if kind in _ALPHAS), None)
    return _Channels(colours, alpha, count - (alpha is not None))


def _selected(image: pyvips.Image, channels: _Channels) -> pyvips.Image:
    if not channels.left_out:
        return image
    selected = image.extract_band(0, n=channels.colours)
    if channels.alpha is not None:
        selected = selected.bandjoin(image.extract_band(channels.alpha))
    return selected.copy(interpretation=image.interpretation)


def stated_by_tiff(page: TiffPage) -> StatedColours | None:
    """The primaries of an RGB page that states them (TIFF 6.0, section 20); the curve is gamma 2.2."""
    points = (*page.rationals(WHITE_POINT), *page.rationals(PRIMARIES))
    return of_gamma(None, points) if page.first(PHOTOMETRIC, -1) == _RGB and len(points) == 8 else None


def unsupported_kind(page: TiffPage) -> str | None:
    """What about a page libvips cannot read, in words; None if nothing is unusual."""
    bits, sample_format = page.first(BITS, 1), page.first(SAMPLE_FORMAT, 1)
    if sample_format in _COMPLEX:
        return "complex samples"
    if bits not in (1, 2, 4, 8, 16, 32) or len(set(page.integers(BITS))) > 1:
        bits_of_each = ", ".join(str(bits) for bits in dict.fromkeys(page.integers(BITS)))
        return f"{bits_of_each}-bit {'float ' if sample_format == _FLOAT else ''}samples"
    if page.first(PLANAR, 1) == _SEPARATE_PLANES and page.first(TILE_WIDTH, 0):
        return "tiles of separate channels"
    if page.first(COMPRESSION, 1) in _COMPRESSIONS:
        return f"{_COMPRESSIONS[page.first(COMPRESSION, 1)]} compression"
    return None
