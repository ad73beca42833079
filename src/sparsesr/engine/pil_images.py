"""PIL images to colour and alpha, and results back, with the treatment that files get.

Images are recognised by their methods; PIL is imported only to make a result, when the caller's image came from it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyvips

from sparsesr.errors import InputError
from sparsesr.image import exif, vips, xmp
from sparsesr.image.decoded_image import DecodedImage
from sparsesr.image.known_colours import with_known_colours
from sparsesr.image.orientation import upright
from sparsesr.image.samples import to_eight_bit
from sparsesr.image.stated_colours import StatedColours, of_gamma
from sparsesr.image.stored_planes import stored_planes
from sparsesr.image.tiff_lab import lab_of_bytes
from sparsesr.image.working_image import working_image

Pixels = npt.NDArray[Any]

_AS_THEY_ARE = ("L", "LA", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I;16L", "I;16B", "I;16N")
_CONVERTED = {"1": "L", "La": "LA", "RGBa": "RGBA", "PA": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
_ALPHA_MODES = ("LA", "RGBA")
# What would be false in the result: one still image, whose transparency is a channel.
_OUTDATED = ("transparency", "background", "mp", "mpoffset", "loop", "duration", "bbox", "disposal", "blend")
_OUTDATED_COLOURS = ("gamma", "chromaticity", "srgb", "icc_profile")
_RAW_EXIF = ("Raw profile type exif", "Raw profile type APP1")
_XMP = ("xmp", "XML:com.adobe.xmp")


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
            planes = [to_eight_bit(plane) for plane in planes]  # PIL has no alpha of 16 bits
        pixels = planes[0] if len(planes) == 1 else np.dstack(planes)
        return pil_of(pixels, _resized(self.info, upscaled.height, upscaled.width))


def pil_of(pixels: Pixels, info: dict[str, Any]) -> Any:
    """A PIL image of an array, with these entries of ``info``."""
    out = importlib.import_module("PIL.Image").fromarray(pixels)
    out.info.update(info)
    return out


def read_pil(image: Any) -> PilImage:
    """Read any mode but F, whose samples are not integers. InputError for mode I and an image without pixels."""
    notes: list[str] = []
    samples, mode = _samples(image)
    info = dict(cast("dict[str, Any]", image.info))
    key = info.get("transparency")
    if mode not in _ALPHA_MODES and key is not None and mode not in ("CMYK", "LAB"):
        samples = np.dstack([samples, _alpha_of(samples, key)])
    icc = info.get("icc_profile") or None
    known = with_known_colours(_as_vips(samples, mode, icc), icc, _stated(info), notes)
    samples = vips.pixels_of(known.image)
    block = _exif(image, info)
    turn = exif.orientation(block)
    if turn != 1:
        notes.append(f"turned upright (EXIF orientation {turn})")
    decoded = working_image(upright(samples, turn), known.code_table)
    decoded.transfer = known.transfer
    kept = {name: value for name, value in info.items() if name not in (*_OUTDATED, *_RAW_EXIF)}
    if known.is_converted or known.icc != icc:
        kept = {name: value for name, value in kept.items() if name not in _OUTDATED_COLOURS}
    kept |= {
        name: value for name, value in (("icc_profile", known.icc), ("exif", block)) if value is not None
    }
    return PilImage(decoded, kept, notes)


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
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    return samples if samples.ndim == 3 else samples[..., None], mode


def _alpha_of(samples: Pixels, key: Any) -> Pixels:
    """Alpha by the one transparent colour that ``info`` names: as tRNS of PNG does."""
    colour = np.atleast_1d(np.asarray(key if not isinstance(key, bytes) else list(key)))
    peak = int(np.iinfo(samples.dtype).max)
    if samples.dtype == np.uint8 and int(colour.max(initial=0)) > peak:
        colour = colour >> 8  # PIL keeps the high bytes of 16-bit samples, but the whole key
    is_hidden = np.all(samples == colour, axis=2) if len(colour) == samples.shape[2] else np.False_
    return np.where(is_hidden, 0, peak).astype(samples.dtype) * np.ones(samples.shape[:2], samples.dtype)


def _as_vips(samples: Pixels, mode: str, icc: bytes | None) -> pyvips.Image:
    if mode == "LAB":
        return vips.image_over(lab_of_bytes(samples)).copy(interpretation="lab")
    wide, grey = samples.dtype == np.uint16, samples.shape[2] <= 2
    ordinary = ("grey16" if wide else "b-w") if grey else ("rgb16" if wide else "srgb")
    image = vips.image_over(samples).copy(interpretation="cmyk" if mode == "CMYK" else ordinary)
    if icc is not None:
        vips.set_blob(image, "icc-profile-data", icc)
    return image


def _stated(info: dict[str, Any]) -> StatedColours | None:
    if "srgb" in info or not ("gamma" in info or "chromaticity" in info):
        return None
    return of_gamma(info.get("gamma"), info.get("chromaticity"))


def _exif(image: Any, info: dict[str, Any]) -> bytes | None:
    """The EXIF block, from its TIFF header on."""
    block = exif.normalised(info.get("exif"))
    if block is None and any(name in info for name in _RAW_EXIF):
        block = exif.normalised(image.getexif().tobytes())
    return block


def _resized(info: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    """The entries with orientation and sizes of the result."""
    info = dict(info)
    if "exif" in info:
        info["exif"] = b"Exif\0\0" + exif.updated(info["exif"], height, width)
    for name in _XMP:
        packet = info.get(name)
        if isinstance(packet, str):
            info[name] = xmp.updated(packet.encode(), height, width).decode()
        elif isinstance(packet, bytes):
            info[name] = xmp.updated(packet, height, width)
    return info
