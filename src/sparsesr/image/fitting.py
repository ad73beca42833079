"""Which of an image's metadata a format can hold, updated for the result."""

from __future__ import annotations

from dataclasses import replace

from sparsesr.image import exif, png_text, xmp
from sparsesr.image.containers import EXIF_IN_JPEG_MAX_BYTES
from sparsesr.image.decoded_image import DecodedImage, Metadata
from sparsesr.image.formats import OutputFormat
from sparsesr.image.geotiff import scaled
from sparsesr.image.png_colours import stated_by_png
from sparsesr.image.tiff_tags import is_written_big
from sparsesr.limits import ImageLimits

_MAX_BYTES = ImageLimits().max_metadata_bytes
_MAX_KEYWORDS = 5


def fitting_metadata(image: DecodedImage, form: OutputFormat, notes: list[str]) -> Metadata:
    """The metadata that the format can store, with sizes, positions and orientation updated.

    ``notes`` gets one sentence about what it cannot store, and one about each surprise.
    """
    metadata = _fitting_profile(image, form, notes)
    left_out: list[str] = []
    metadata = _fitting_text(metadata, form, left_out)
    if metadata.iptc is not None and form.kind not in ("jpeg", "png", "tiff"):
        left_out.append("the IPTC record")
        metadata = replace(metadata, iptc=None)
    if metadata.geo is not None and form.kind != "tiff":
        left_out.append("the georeference")
        metadata = replace(metadata, geo=None)
    if form.kind == "tiff":
        metadata = _fitting_big_tiff(metadata, image, notes)
    if left_out:
        notes.append(f"left out, because {form.name} has no place for it: {', '.join(left_out)}")
    return _updated(metadata, image, form, notes)


def _fitting_big_tiff(metadata: Metadata, image: DecodedImage, notes: list[str]) -> Metadata:
    bands = (1 if image.layout == "grey" else 3) + (image.alpha is not None)
    held = {"EXIF": metadata.exif, "the IPTC record": metadata.iptc, "the georeference": metadata.geo}
    lost = [name for name, each in held.items() if each is not None]
    if not lost or not is_written_big(image.height, image.width, bands):
        return metadata
    notes.append(f"left out, because the result is a BigTIFF: {', '.join(lost)}")
    return replace(metadata, exif=None, iptc=None, geo=None)


def _fitting_profile(image: DecodedImage, form: OutputFormat, notes: list[str]) -> Metadata:
    metadata = image.metadata
    is_grey_file = image.layout == "grey" and form.has_grey
    if metadata.icc is not None and (metadata.icc[16:20] == b"GRAY") != is_grey_file:
        notes.append("colour profile left out: it is for another kind of image")
        metadata = replace(metadata, icc=None)
    stated = None if form.kind == "png" or metadata.icc is not None else stated_by_png(metadata.png_colour)
    if stated is not None and stated.unusual:
        notes.append(f"{stated.unusual} look wrong in the result: only PNG states them, {form.name} does not")
    return metadata


def _fitting_text(metadata: Metadata, form: OutputFormat, left_out: list[str]) -> Metadata:
    """PNG text and JPEG comments: comments are converted into each other, other text is for PNG only."""
    if form.kind == "png":
        return metadata
    keywords = png_text.keywords(metadata.text)
    comments = (*metadata.comments, *png_text.comments_in(metadata.text, _MAX_BYTES))
    if form.kind != "jpeg" and comments:
        left_out.append("the comment")
        comments = ()
    if keywords:
        more = "" if len(keywords) <= _MAX_KEYWORDS else " ..."
        left_out.append(f"PNG text ({', '.join(keywords[:_MAX_KEYWORDS])}{more})")
    return replace(metadata, text=b"", comments=comments)


def _updated(metadata: Metadata, image: DecodedImage, form: OutputFormat, notes: list[str]) -> Metadata:
    height, width, before = image.height, image.width, metadata.size
    block, packet, geo = metadata.exif, metadata.xmp, metadata.geo
    if block is not None:
        block = exif.updated(block, height, width, before)
    if block is not None and form.kind == "jpeg" and len(block) > EXIF_IN_JPEG_MAX_BYTES:
        notes.append("EXIF left out: too large for a JPEG")
        block = None
    if packet is not None:
        packet = xmp.updated(packet, height, width, before, form.mime)
    if geo is not None and before is not None:
        geo = scaled(geo, before, (height, width))
    return replace(metadata, exif=block, xmp=packet, geo=geo, size=(height, width))
