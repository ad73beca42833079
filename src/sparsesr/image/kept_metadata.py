"""Metadata of an input that are kept for its result, and notes about what cannot be kept."""

from __future__ import annotations

from dataclasses import replace

import pyvips

from sparsesr.image import exif, iptc, vips
from sparsesr.image.decoded_image import Metadata, resolution_of
from sparsesr.image.gif_blocks import gif_comments
from sparsesr.image.heif_boxes import auxiliary_images
from sparsesr.image.jpeg_segments import read_jpeg_facts
from sparsesr.image.png_chunks import PngFacts
from sparsesr.image.source import OpenSource
from sparsesr.image.tiff_kept import read_tiff_metadata
from sparsesr.image.tiff_pages import TiffPage
from sparsesr.image.xmp_references import without_references
from sparsesr.limits import ImageLimits

_CREDENTIALS = "content credentials (C2PA), which are signed for the original file only"


def gathered(
    source: OpenSource,
    kind: str,
    image: pyvips.Image,
    metadata: Metadata,
    limits: ImageLimits,
    *,
    png: PngFacts | None = None,
    page: TiffPage | None = None,
) -> tuple[Metadata, list[str]]:
    """The metadata of an opened image, added to ``metadata``, and what its file holds besides that cannot be kept."""
    block = exif.normalised(vips.get_blob(image, "exif-data"))
    metadata = replace(
        metadata,
        icc=vips.get_blob(image, "icc-profile-data"),
        exif=block,
        xmp=vips.get_blob(image, "xmp-data"),
        iptc=iptc.resources_of(vips.get_blob(image, "photoshop-data") or vips.get_blob(image, "iptc-data")),
        pixels_per_mm=_print_resolution(kind, image, block),
    )
    left_out: list[str] = []
    if kind == "jpeg":
        metadata = _of_jpeg(source, metadata, limits, left_out)
    elif png is not None:
        metadata = _of_png(png, metadata, left_out)
    elif kind == "tiff":
        orientation = vips.get_int(image, "orientation", 1)
        metadata = read_tiff_metadata(source, page, orientation, metadata, left_out)
    elif kind == "gif":
        metadata = replace(metadata, comments=gif_comments(source, limits))
    elif kind == "heif":
        left_out += auxiliary_images(source)
    return metadata, left_out


def _print_resolution(kind: str, image: pyvips.Image, block: bytes | None) -> tuple[float, float] | None:
    if kind not in ("jpeg", "tiff"):  # libvips reads it for these only, though it sets the unit for others
        return None if block is None else exif.print_resolution(block)
    return resolution_of(image.xres, image.yres) if image.get_typeof("resolution-unit") else None


def without_false_properties(
    metadata: Metadata, size: tuple[int, int], left_out: list[str], *, is_turned: bool
) -> Metadata:
    """Remove properties that refer to parts of the file which are not kept; ``size``: of the upright image."""
    packet = metadata.xmp
    if packet is not None:
        packet, what = without_references(packet, is_turned=is_turned)
        left_out += [each for each in what if each not in left_out]
    if is_turned and metadata.geo is not None:
        left_out.append("the georeference (the image was turned)")
        metadata = replace(metadata, geo=None)
    return replace(metadata, xmp=packet, size=size)


def _of_jpeg(source: OpenSource, metadata: Metadata, limits: ImageLimits, left_out: list[str]) -> Metadata:
    facts = read_jpeg_facts(source, limits)
    if facts.has_credentials:
        left_out.append(_CREDENTIALS)
    if facts.pictures > 1:
        others = "another picture" if facts.pictures == 2 else f"{facts.pictures - 1} other pictures"
        left_out.append(f"{others} in the file (a stereo view, gain map or preview)")
    return replace(
        metadata, xmp=facts.xmp or metadata.xmp, iptc=facts.resources, comments=tuple(facts.comments)
    )


def _of_png(facts: PngFacts, metadata: Metadata, left_out: list[str]) -> Metadata:
    if facts.has_credentials:
        left_out.append(_CREDENTIALS)
    if facts.left_out:
        left_out.append(f"PNG chunks of unknown kinds ({', '.join(facts.left_out)})")
    stored = facts.profiles
    block = metadata.exif or exif.normalised(facts.exif or stored.get("exif") or stored.get("app1"))
    return replace(
        metadata,
        exif=block,
        xmp=facts.xmp or stored.get("xmp") or metadata.xmp,
        iptc=iptc.resources_of(stored.get("iptc") or stored.get("8bim")),
        pixels_per_mm=facts.pixels_per_mm or (None if block is None else exif.print_resolution(block)),
        text=facts.text,
    )
