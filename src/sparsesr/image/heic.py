"""HEIC (HEVC in HEIF), which the libvips of PyPI cannot decode: through the optional package pillow-heif.

Only its own interface is used, which gives plain memory; the header, metadata and limits come from libvips.
"""

from __future__ import annotations

import importlib
import importlib.util
import io

import numpy as np
import pyvips

from sparsesr.errors import InputError
from sparsesr.image import vips
from sparsesr.image.known_colours import ordinary_image
from sparsesr.image.source import OpenSource

_PACKAGE = "pillow_heif"
# libheif without a decoder for the codec, and as libvips reports it.
_NO_DECODER = ("has not been built in", "No decoding plugin", "Unsupported codec", "Unsupported compression")
_HEVC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis")


def needs_package(image: pyvips.Image) -> bool:
    """True for an opened image in HEVC, if the package is there to decode it."""
    return _codec(image) == "hevc" and importlib.util.find_spec(_PACKAGE) is not None


def decoded_heic(source: OpenSource, header: pyvips.Image) -> pyvips.Image:
    """The primary image, upright as libheif turns it, with the profile of ``header``."""
    pillow_heif = importlib.import_module(_PACKAGE)
    data = source.data if source.data is not None else source.read_at(0, source.size)
    try:
        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        samples = np.array(file[file.primary_index])
    except (ValueError, RuntimeError, SyntaxError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"the HEIC data is damaged ({reason})",
            where=source.name,
            remedy="copy or download the file again",
        ) from None
    if samples.shape[:2] != (header.height, header.width):
        raise InputError("the HEIC data contradicts its header", where=source.name)
    return ordinary_image(np.atleast_3d(samples), vips.get_blob(header, "icc-profile-data"))


def lacks_decoder(reason: str) -> bool:
    """True if an error of libvips means that the codec is unknown, not that the data is damaged."""
    return any(sign in reason for sign in _NO_DECODER)


def unsupported(source: OpenSource) -> InputError:
    """The refusal of a HEIF image whose codec cannot be decoded."""
    remedy = "save it as JPEG or PNG"
    if any(brand in source.read_at(0, 64) for brand in _HEVC_BRANDS):
        return InputError(
            "is HEIC (HEVC), which the installed libvips cannot decode",
            where=source.name,
            remedy=f"pip install 'sparsesr[heic]', or {remedy}",
        )
    what = "is HEIF with a codec that the installed libvips cannot decode"
    return InputError(what, where=source.name, remedy=remedy)


def _codec(image: pyvips.Image) -> str:
    return str(image.get("heif-compression")) if image.get_typeof("heif-compression") else ""
