"""``DecodedImage``: pixels together with the metadata that is preserved until they are written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy.typing as npt

if TYPE_CHECKING:
    from sparsesr.image.geotiff import GeoTags

Pixels = npt.NDArray[Any]
"""An array of uint8 or uint16 samples."""

Layout = Literal["rgb", "grey"]
Transfer = Literal["gamma", "linear"]
_MAX_PIXELS_PER_MM = 1_000_000


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image as raw bytes, so that it is written as it was read."""

    icc: bytes | None = None
    exif: bytes | None = None
    """A TIFF-structured block (starts with ``II*`` or ``MM*``), without the ``Exif`` prefix of JPEG."""
    xmp: bytes | None = None
    iptc: bytes | None = None
    """Photoshop resources, one of which is the IPTC record, without the prefix of JPEG."""
    pixels_per_mm: tuple[float, float] | None = None
    """Horizontal and vertical print resolution, if the file states one."""
    png_colour: bytes = b""
    """Whole gAMA, cHRM, sRGB and cICP chunks that hold for the values beside ``icc``; PNG output repeats them."""
    text: bytes = b""
    """Whole text chunks of a PNG."""
    comments: tuple[bytes, ...] = ()
    """Comments of a JPEG or GIF."""
    geo: GeoTags | None = None
    """Georeference of a TIFF."""
    size: tuple[int, int] | None = None
    """(height, width) of the upright image that all this describes."""

    def stripped(self) -> Metadata:
        """Only what the sample values need in order to be shown in their colours."""
        return Metadata(icc=self.icc, png_colour=self.png_colour, size=self.size)


@dataclass
class DecodedImage:
    """The result of ``decode`` and the input of ``encode``.

    ``rgb`` is (H, W, 3) uint8 or uint16 and always gamma-coded, as networks expect. A grey file has its grey
    repeated in the three channels and ``layout`` "grey". ``alpha`` is (H, W) of the same dtype, not
    premultiplied, or None.
    """

    rgb: Pixels
    alpha: Pixels | None = None
    layout: Layout = "rgb"
    bits: int = 8
    """Bits per sample of the file, 8 or 16; ``rgb`` may be wider (linear 8-bit files are processed in 16)."""
    metadata: Metadata = field(default_factory=Metadata)
    transfer: Transfer = "gamma"
    """"linear": the file (and its ICC profile) is linear-light; ``encode`` converts the samples back."""
    source_format: str = "array"
    is_lossless: bool = False
    """True for a WebP without loss, which stays one."""
    jpeg_quality: int | None = None
    """Of a JPEG, in the sense of libjpeg (see :mod:`sparsesr.image.jpeg_quality`); of a lossy WebP, that of a JPEG with
    equal steps; None for other files."""
    notes: list[str] = field(default_factory=list[str])
    """Changes made while decoding, one sentence each, for the report."""

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.rgb.shape[1])

    def with_pixels(self, rgb: Pixels, alpha: Pixels | None) -> DecodedImage:
        """Return the same image (metadata, layout, depth, notes) with other pixels, of any size."""
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype.name not in ("uint8", "uint16"):
            raise ValueError(f"rgb must be (H, W, 3) uint8 or uint16, not {rgb.shape} {rgb.dtype}")
        if alpha is not None and (alpha.shape != rgb.shape[:2] or alpha.dtype != rgb.dtype):
            raise ValueError(f"alpha is {alpha.shape} {alpha.dtype} beside rgb {rgb.shape} {rgb.dtype}")
        return replace(self, rgb=rgb, alpha=alpha, notes=list(self.notes))


def resolution_of(across: float, down: float) -> tuple[float, float] | None:
    """A print resolution in pixels per mm; None for one that states nothing or that libvips could not write."""
    values = (across, down)
    return values if all(0 < value <= _MAX_PIXELS_PER_MM for value in values) else None


def note_of(left_out: list[str]) -> list[str]:
    """At most one note, which names what a result cannot keep."""
    return [f"left out: {', '.join(left_out)}"] if left_out else []
