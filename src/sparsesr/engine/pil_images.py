"""PIL images to colour and alpha, and results back, with the treatment that files get.

Images are recognised by their methods; PIL is imported only to make a result, when the caller's image came from it.
"""

from __future__ import annotations

import importlib
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyvips

from sparsesr.errors import InputError
from sparsesr.image import exif, vips, xmp
from sparsesr.image.colour import lab_of_bytes
from sparsesr.image.decoded_image import DecodedImage, note_of
from sparsesr.image.known_colours import KnownColours, ordinary_image, with_known_colours
from sparsesr.image.orientation import upright
from sparsesr.image.samples import to_eight_bit
from sparsesr.image.stated_colours import StatedColours, of_gamma
from sparsesr.image.stored_planes import stored_planes
from sparsesr.image.tiff_tags import DNG_VERSION, NEW_SUBFILE_TYPE, SUB_IFDS
from sparsesr.image.working_image import working_image
from sparsesr.image.xmp_references import without_references

Pixels = npt.NDArray[Any]

_AS_THEY_ARE = ("L", "LA", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I;16L", "I;16B", "I;16N")
_CONVERTED = {"1": "L", "La": "LA", "RGBa": "RGBA", "PA": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
_ALPHA_MODES = ("LA", "RGBA")
# What would be false in the result: one still image, whose transparency is a channel.
_OUTDATED = ("transparency", "background", "mp", "mpoffset", "loop", "duration", "bbox", "disposal", "blend")
_OUTDATED_COLOURS = ("gamma", "chromaticity", "srgb")
_RAW_EXIF = ("Raw profile type exif", "Raw profile type APP1")
_XMP = ("xmp", "XML:com.adobe.xmp")
_TEXT_CODING = "utf-8", "surrogatepass"
"""Text of damaged files may hold halves of characters, which must not stop the work."""
_RESOLUTIONS = ("dpi", "resolution", "jfif_density", "aspect")
"""Entries (horizontal, vertical)."""


def is_pil(image: object) -> bool:
    """True if the object has the interface of a PIL image."""
    return hasattr(image, "mode") and hasattr(image, "convert") and hasattr(image, "getbands")


@dataclass
class PilImage:
    """A PIL image as pixels for a network, and what its result keeps of it."""

    image: DecodedImage
    info: dict[str, Any]
    """Entries of the caller's ``info`` that hold for the result."""
    notes: list[str] = field(default_factory=list[str])

    def pack(self, rgb: Pixels, alpha: Pixels | None) -> Any:
        """The PIL image of an upscaled one."""
        upscaled = self.image.with_pixels(rgb, alpha)
        planes = stored_planes(upscaled, upscaled.bits)
        if len(planes) == 2:
            planes = [to_eight_bit(plane) for plane in planes]
        pixels = planes[0] if len(planes) == 1 else np.dstack(planes)
        return pil_of(pixels, _resized(self.info, upscaled, (self.image.height, self.image.width)))


def pil_of(pixels: Pixels, info: dict[str, Any]) -> Any:
    """A PIL image of an array, with these entries of ``info``."""
    out = importlib.import_module("PIL.Image").fromarray(pixels)
    out.info.update(info)
    return out


def read_pil(image: Any) -> PilImage:
    """Read any mode but F, whose samples are not integers.

    Raises InputError for mode I, for an image without pixels, and for the preview that PIL takes for a RAW photo.
    """
    _refuse_preview(image)
    notes: list[str] = []
    info = dict(cast("dict[str, Any]", image.info))
    samples, mode = _samples(image)
    icc = _bytes_of(info, "icc_profile")
    original = _as_vips(samples, mode, icc)
    known = with_known_colours(original, icc, _stated(info), notes)
    if known.image is not original:
        samples = vips.pixels_of(known.image)
    block = _exif(image, info)
    turn = exif.orientation(block)
    if turn != 1:
        notes.append(f"turned upright (EXIF orientation {turn})")
    decoded = working_image(upright(samples, turn), known.code_table)
    decoded.transfer = known.transfer
    if decoded.bits == 16 and decoded.alpha is not None:
        notes.append("16 bits reduced to 8: PIL has no 16-bit image with alpha")
    left_out: list[str] = []
    kept = _without_references(_still_true(info, known, block), left_out, is_turned=turn != 1)
    if turn >= 5:
        kept |= _turned_resolutions(kept)
    return PilImage(decoded, kept, notes + note_of(left_out))


def _without_references(info: dict[str, Any], left_out: list[str], *, is_turned: bool) -> dict[str, Any]:
    """XMP without references to gain maps, videos and the like, which PIL leaves behind."""
    info = dict(info)
    for name in _XMP:
        packet = info.get(name)
        if isinstance(packet, (str, bytes)):
            raw = packet.encode(*_TEXT_CODING) if isinstance(packet, str) else packet
            raw, what = without_references(raw, is_turned=is_turned)
            info[name] = raw.decode(*_TEXT_CODING) if isinstance(packet, str) else raw
            left_out += [each for each in what if each not in left_out]
    return info


def _turned_resolutions(info: dict[str, Any]) -> dict[str, Any]:
    """The print resolutions of an image that was turned by a quarter."""
    pairs = {name: info[name] for name in _RESOLUTIONS if name in info}
    return {name: pair[::-1] for name, pair in pairs.items() if isinstance(pair, tuple)}


def _bytes_of(info: dict[str, Any], name: str) -> bytes | None:
    """An entry of bytes; None if it is absent, empty or anything else, since ``info`` may hold whatever it likes."""
    value = info.get(name)
    return value or None if isinstance(value, bytes) else None


def _numbers_of(value: Any) -> tuple[float, ...]:
    """The numbers of one or a sequence of them; none if there is anything else."""
    parts: tuple[Any, ...] = (
        tuple(cast("Sequence[Any]", value)) if isinstance(value, (tuple, list)) else (value,)
    )
    return parts if all(isinstance(part, numbers.Real) for part in parts) else ()


def _still_true(info: dict[str, Any], known: KnownColours, block: bytes | None) -> dict[str, Any]:
    """The entries of ``info`` that hold after the conversion."""
    outdated = (*_OUTDATED, *_RAW_EXIF, "exif", "icc_profile")
    if known.is_converted or known.icc != _bytes_of(info, "icc_profile"):
        outdated += _OUTDATED_COLOURS
    kept = {name: value for name, value in info.items() if name not in outdated}
    if known.icc is not None:
        kept["icc_profile"] = known.icc
    return kept if block is None else kept | {"exif": block}


def _refuse_preview(image: Any) -> None:
    """PIL opens the first page of a TIFF or RAW file, even if that is a reduced copy of the image."""
    tags: Any = getattr(image, "tag_v2", None) or {}
    is_reduced = image.tell() == 0 and tags.get(NEW_SUBFILE_TYPE, 0) & 1 != 0
    if DNG_VERSION in tags or (is_reduced and (SUB_IFDS in tags or image.n_frames > 1)):
        raise InputError(
            "the PIL image is the preview in a camera RAW file, or the reduced first page of a TIFF",
            remedy="develop the RAW file, or pass the path or another page of the TIFF",
        )


def _samples(image: Any) -> tuple[Pixels, str]:
    """Samples (H, W, C), uint8 or uint16, and their mode."""
    mode = str(image.mode)
    if mode == "I":
        raise InputError(
            "PIL images of mode I have no fixed range", remedy="pass a numpy array of uint8 or uint16 instead"
        )
    if mode == "P":
        has_alpha = "transparency" in image.info or image.palette.mode.endswith("A")
        image, mode = image.convert("RGBA" if has_alpha else "RGB"), "RGBA" if has_alpha else "RGB"
    elif mode not in _AS_THEY_ARE:
        mode = _CONVERTED.get(mode, "RGB")
        image = image.convert(mode)
    samples: Pixels = np.asarray(image)
    if samples.size == 0:
        raise InputError("the PIL image has no pixels")
    samples = np.atleast_3d(samples.astype(samples.dtype.newbyteorder("="), copy=False))
    key = None if mode in (*_ALPHA_MODES, "CMYK", "LAB") else image.info.get("transparency")
    return samples if key is None else np.dstack([samples, _alpha_of(samples, key)]), mode


def _alpha_of(samples: Pixels, key: Any) -> Pixels:
    """Alpha (H, W) by the one transparent colour that ``info`` names, as tRNS does in a PNG."""
    colour, peak = np.asarray(_numbers_of(key)), int(np.iinfo(samples.dtype).max)
    if len(colour) != samples.shape[2] or colour.dtype.kind not in "iu":
        return np.full(samples.shape[:2], peak, samples.dtype)
    if int(colour.max()) > peak:
        colour = colour >> 8  # PIL keeps the high bytes of 16-bit samples, but the whole key
    return np.where(np.all(samples == colour, axis=2), 0, peak).astype(samples.dtype)


def _as_vips(samples: Pixels, mode: str, icc: bytes | None) -> pyvips.Image:
    if mode == "LAB":
        return vips.image_over(lab_of_bytes(samples)).copy(interpretation="lab").colourspace("labq")
    image = ordinary_image(samples, icc)
    return image.copy(interpretation="cmyk") if mode == "CMYK" else image


def _stated(info: dict[str, Any]) -> StatedColours | None:
    if "srgb" in info or not ("gamma" in info or "chromaticity" in info):
        return None
    gamma = (*_numbers_of(info.get("gamma")), None)[0]
    return of_gamma(gamma, _numbers_of(info.get("chromaticity")) or None)


def _exif(image: Any, info: dict[str, Any]) -> bytes | None:
    """The EXIF block, from its TIFF header on."""
    block = exif.normalised(_bytes_of(info, "exif"))
    if info.get("exif") is None and any(isinstance(info.get(name), str) for name in _RAW_EXIF):
        block = exif.normalised(image.getexif().tobytes())
    return block


def _resized(info: dict[str, Any], result: DecodedImage, before: tuple[int, int]) -> dict[str, Any]:
    """The entries with orientation and sizes of the result; ``before``: (height, width) that they describe."""
    height, width = result.height, result.width
    info = dict(info)
    if "exif" in info:
        info["exif"] = b"Exif\0\0" + exif.updated(info["exif"], height, width, before)
    for name in _XMP:
        packet = info.get(name)
        if isinstance(packet, str):
            raw = packet.encode(*_TEXT_CODING)
            info[name] = xmp.updated(raw, height, width, before).decode(*_TEXT_CODING)
        elif isinstance(packet, bytes):
            info[name] = xmp.updated(packet, height, width, before)
    return info
