"""``decode``: a file or bytes to a ``DecodedImage``; the header is checked before any pixel is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips

from sparsesr.errors import InputError, LimitError, check_cancelled
from sparsesr.image import colour, exif, vips
from sparsesr.image.bmp import read_bmp
from sparsesr.image.colour import ProfileKind
from sparsesr.image.decoded_image import DecodedImage, Metadata, Pixels
from sparsesr.image.jpeg_damage import jpeg_warnings
from sparsesr.image.orientation import upright
from sparsesr.image.png_chunks import read_png_facts
from sparsesr.image.pnm import read_pnm
from sparsesr.image.sniff import check_gif_size, check_size, recognise
from sparsesr.image.source import OpenSource, open_source
from sparsesr.image.tiff_lab import is_lab8, lab8_orientation, read_lab8
from sparsesr.image.tiff_tags import exif_of_tiff
from sparsesr.image.vips_threads import claim
from sparsesr.limits import ImageLimits

_LOADERS = {
    "jpeg": pyvips.Image.jpegload_source,
    "png": pyvips.Image.pngload_source,
    "webp": pyvips.Image.webpload_source,
    "tiff": pyvips.Image.tiffload_source,
    "gif": pyvips.Image.gifload_source,
    "heif": pyvips.Image.heifload_source,
}
_DEFAULT_LIMITS = ImageLimits()


@dataclass
class _DecodeState:
    """State of a decoding in progress."""

    cancelled: Callable[[], bool] | None
    metadata: Metadata = field(default_factory=Metadata)
    orientation: int = 1
    is_linear: bool = False
    notes: list[str] = field(default_factory=list[str])
    has_several_scans: bool = False
    fail_on: str = "warning"
    """Severity at which libvips fails. Anything laxer accepts a truncated TIFF as complete."""


def decode(
    source: Path | bytes,
    limits: ImageLimits = _DEFAULT_LIMITS,
    cancelled: Callable[[], bool] | None = None,
    name: str | None = None,
) -> DecodedImage:
    """Decode an image upright, with the metadata that is kept when it is upscaled.

    Sample values and profile of ordinary RGB and grey are kept; ``DecodedImage.notes`` lists what was changed.
    ``name`` names ``source`` in messages if it is bytes. Raises LimitError if the header exceeds ``limits``,
    InputError if the data is not an image, damaged, cut short or unreadable, and CancelledError soon after
    ``cancelled`` returns True; each message is one line.
    """
    with open_source(source, limits, name) as opened:
        kind = recognise(opened)
        claim()  # before any lock that another thread may have held during a fork
        vips.forget_errors()  # or a message may quote an older failure
        try:
            samples, state = _decode_strictly(opened, kind, limits, cancelled)
        except pyvips.Error as error:
            check_cancelled(cancelled)
            raise _vips_error(opened.name, kind, error) from None
        except MemoryError:
            raise LimitError(
                "not enough memory to decode it", where=opened.name, remedy="free some or shrink it"
            ) from None
        return _decoded_image(samples, kind, state)


def _decode_strictly(
    source: OpenSource, kind: str, limits: ImageLimits, cancelled: Callable[[], bool] | None
) -> tuple[npt.NDArray[Any], _DecodeState]:
    """Decode, failing on any warning; retry a JPEG leniently if its warnings are harmless."""
    state = _DecodeState(cancelled)
    if kind != "jpeg":
        return _samples(source, kind, limits, state), state
    with jpeg_warnings() as warnings:
        try:
            samples = _samples(source, kind, limits, state)
        except pyvips.Error as error:
            warnings.record(str(error))
            if warnings.count == 0 or warnings.damage(has_several_scans=state.has_several_scans):
                raise
            state = _DecodeState(cancelled, fail_on="error")
            samples = _samples(source, kind, limits, state)
    # libvips does not check for warnings about the last rows.
    reason = warnings.damage(has_several_scans=state.has_several_scans)
    if reason:
        raise _damaged(source.name, kind, f" ({reason})")
    if warnings.count:
        state.notes.append(f"the JPEG file is slightly irregular ({warnings.first}); the image is complete")
    return samples, state


def _samples(source: OpenSource, kind: str, limits: ImageLimits, state: _DecodeState) -> npt.NDArray[Any]:
    """Return (H, W, 1 to 4) uint8 or uint16: grey or RGB, then alpha; not yet upright."""
    if kind == "pnm":
        return read_pnm(source, limits)
    if kind == "bmp":
        return read_bmp(source, limits)
    if kind == "tiff" and is_lab8(source):
        state.notes.append("CIELab converted to sRGB")
        state.metadata, state.orientation = Metadata(exif=exif_of_tiff(source)), lab8_orientation(source)
        lab = vips.image_over(read_lab8(source, limits)).copy(interpretation="lab")
        return vips.pixels_of(colour.lab_to_srgb(lab, bits=8))
    return _vips_samples(source, kind, limits, state)


def _vips_samples(
    source: OpenSource, kind: str, limits: ImageLimits, state: _DecodeState
) -> npt.NDArray[Any]:
    raw_exif = None
    if kind == "png":
        facts = read_png_facts(source, limits)
        raw_exif = facts.raw_exif
        state.metadata = Metadata(png_colour=facts.colour)
        if facts.is_animated:
            state.notes.append("animated: the still image of the PNG is used")
    elif kind == "gif":
        check_gif_size(source, limits)
    # Opening reads the header only; pixels are decoded on demand.
    image = _LOADERS[kind](source.for_vips(), access="sequential", fail_on=state.fail_on)
    state.has_several_scans = vips.get_int(image, "interlaced", 0) != 0
    check_size(source.name, image.height, image.width, limits)
    _check_frames(source.name, kind, image, limits, state)
    _gather_metadata(source, kind, image, raw_exif, state)
    image = _with_known_colours(source.name, image, state)
    samples = vips.pixels_of(image, state.cancelled)
    if kind == "gif" and image.bands in (2, 4) and bool(np.all(samples[..., -1] == 255)):
        samples = samples[..., :-1]  # the GIF reader always adds alpha
    if kind == "heif" and samples.dtype == np.uint16:
        # 10 and 12 bits arrive shifted up with zeros below; repeat the high bits there, so that white stays white.
        samples = samples | samples >> vips.get_int(image, "bits-per-sample", 16)
    return _to_integers(source.name, samples, state)


def _check_frames(
    name: str, kind: str, image: pyvips.Image, limits: ImageLimits, state: _DecodeState
) -> None:
    frames = image.get_n_pages()
    if frames > limits.max_frames:
        raise LimitError(f"{frames} frames are over the limit of {limits.max_frames}", where=name)
    if frames > 1:
        state.notes.append(
            f"the first of {frames} {'pages' if kind in ('tiff', 'heif') else 'frames'} is used"
        )


def _gather_metadata(
    source: OpenSource,
    kind: str,
    image: pyvips.Image,
    raw_exif: bytes | None,
    state: _DecodeState,
) -> None:
    block = exif.normalised(vips.get_blob(image, "exif-data")) or exif.normalised(raw_exif)
    if kind == "tiff":
        block = exif_of_tiff(source)
    xmp = vips.get_blob(image, "xmp-data")
    if xmp is not None and b"hdrgm:" in xmp:
        xmp = None
        state.notes.append("HDR gain map left out; the standard image is kept")
    is_placed = image.get_typeof("resolution-unit") != 0
    state.metadata = replace(
        state.metadata,
        icc=vips.get_blob(image, "icc-profile-data"),
        exif=block,
        xmp=xmp,
        iptc=vips.get_blob(image, "iptc-data"),
        pixels_per_mm=(image.xres, image.yres) if is_placed and min(image.xres, image.yres) > 0 else None,
    )
    if image.get_typeof("orientation"):
        state.orientation = vips.get_int(image, "orientation", 1)
    elif kind == "png":
        state.orientation = exif.orientation(block)
    if state.orientation != 1:
        state.notes.append(f"turned upright (EXIF orientation {state.orientation})")


def _with_known_colours(name: str, image: pyvips.Image, state: _DecodeState) -> pyvips.Image:
    """Convert to grey or RGB (and alpha) with ordinary sample values, or linear ones that are marked as such."""
    if image.interpretation in ("lab", "labs", "labq"):
        state.notes.append("CIELab converted to sRGB")
        state.metadata = replace(state.metadata, icc=None)
        return colour.lab_to_srgb(image.colourspace("lab"), bits=8 if image.interpretation == "labq" else 16)
    if image.interpretation == "cmyk" or image.bands - int(image.hasalpha()) == 4:
        has_profile = state.metadata.icc is not None
        state.notes.append(f"CMYK converted to sRGB ({'its own' if has_profile else 'a generic'} profile)")
        state.metadata = replace(state.metadata, icc=None)
        return colour.to_srgb(image.copy(interpretation="cmyk"))
    if image.bands > 4:
        raise InputError(
            f"has {image.bands} channels", where=name, remedy="save it as grey or RGB, with or without alpha"
        )
    return image if state.metadata.icc is None else _with_profile(image, state.metadata.icc, state)


def _with_profile(image: pyvips.Image, icc: bytes, state: _DecodeState) -> pyvips.Image:
    kind = colour.classify_profile(icc, 1 if image.bands <= 2 else 3)
    if kind is ProfileKind.BROKEN:
        # A grey image with an RGB profile is common and harmless; the profile says nothing about grey.
        state.notes.append("the colour profile is damaged or does not match and was left out")
        state.metadata = replace(state.metadata, icc=None)
    elif kind is ProfileKind.OTHER and image.bands >= 3 and image.format in ("uchar", "ushort"):
        state.notes.append("converted to sRGB: the colour profile does not describe ordinary RGB")
        state.metadata = replace(state.metadata, icc=None)
        return colour.to_srgb(image)
    state.is_linear = kind is ProfileKind.LINEAR
    return image


def _to_integers(name: str, samples: npt.NDArray[Any], state: _DecodeState) -> npt.NDArray[Any]:
    if samples.dtype.name in ("uint8", "uint16"):
        return samples
    if samples.dtype == np.uint32:
        state.notes.append("32-bit samples reduced to 16 bits")
        return (samples >> 16).astype(np.uint16)
    if samples.dtype.kind != "f":
        raise InputError(
            f"samples of type {samples.dtype} are not supported",
            where=name,
            remedy="save it with 8 or 16 bits",
        )
    some = samples.reshape(-1)[:: max(1, samples.size // 1_000_000)]
    if float(np.median(np.nan_to_num(some))) > 1.0:
        raise InputError(
            "float samples are above the usual range of 0 to 1",
            where=name,
            remedy="scale them, or save 16 bits",
        )
    state.notes.append("float samples clipped to 0..1 and stored in 16 bits")
    # Without a profile float samples are linear light; with one, the profile defines them and is kept.
    return _float_samples(samples, is_linear=state.metadata.icc is None)


def _float_samples(samples: npt.NDArray[Any], is_linear: bool) -> npt.NDArray[np.uint16]:
    if samples.shape[2] in (1, 3):
        return colour.float_to_coded(samples, is_linear)
    coded = colour.float_to_coded(samples[..., :-1], is_linear)
    alpha = colour.float_to_coded(samples[..., -1:], is_linear=False)
    return np.concatenate([coded, alpha], axis=2)


def _decoded_image(samples: npt.NDArray[Any], kind: str, state: _DecodeState) -> DecodedImage:
    samples = upright(samples, state.orientation)
    bits = samples.dtype.itemsize * 8
    has_alpha = samples.shape[2] in (2, 4)
    is_grey = samples.shape[2] <= 2
    alpha = np.ascontiguousarray(samples[..., -1]) if has_alpha else None
    rgb: Pixels = samples[..., :1].repeat(3, axis=2) if is_grey else np.ascontiguousarray(samples[..., :3])
    if state.is_linear:
        state.notes.append("linear light: upscaled gamma-coded, written as linear light")
        rgb = colour.look_up(colour.linear_to_coded_table(bits), rgb)
        if alpha is not None and bits == 8:
            alpha = alpha.astype(np.uint16) * np.uint16(257)
    return DecodedImage(
        rgb=rgb,
        alpha=alpha,
        layout="grey" if is_grey else "rgb",
        bits=bits,
        metadata=state.metadata,
        transfer="linear" if state.is_linear else "gamma",
        source_format=kind,
        notes=state.notes,
    )


def _vips_error(name: str, kind: str, error: pyvips.Error) -> InputError:
    """Convert a multi-line libvips error to an InputError of one line."""
    reason = vips.reason(error)
    because = f" ({reason})" if reason else ""
    if any(sign in reason for sign in ("premature end", "end of", "unable to parse", "expected")):
        return InputError(
            f"the {kind.upper()} data is cut short{because}",
            where=name,
            remedy="copy or download the file again",
        )
    return _damaged(name, kind, because)


def _damaged(name: str, kind: str, because: str) -> InputError:
    return InputError(
        f"the {kind.upper()} data is damaged or of an unknown kind{because}",
        where=name,
        remedy="save it again with another program",
    )
