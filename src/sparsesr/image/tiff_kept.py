"""Metadata of TIFF files: descriptive tags, IPTC and georeference are kept; what would be false is left out."""

from __future__ import annotations

import re
from dataclasses import replace

from sparsesr.image import iptc
from sparsesr.image.decoded_image import Metadata, resolution_of
from sparsesr.image.exif import INCH, UNITS_MM, X_RESOLUTION, Y_RESOLUTION
from sparsesr.image.geotiff import GEO_TAGS, GeoTags
from sparsesr.image.source import OpenSource
from sparsesr.image.tiff_pages import TiffPage, read_page
from sparsesr.image.tiff_tags import DESCRIPTION, RESOLUTION_UNIT, Directory, exif_of_tiff, listed_tags

IPTC_TAG, PHOTOSHOP_TAG, _PHOTOSHOP_LAYERS = 33723, 34377, 37724
_XMP = 700
_FIRST_PRIVATE, _MAX_NAMES = 32768, 20
_COPIED = frozenset({IPTC_TAG, PHOTOSHOP_TAG, *GEO_TAGS})
# EXIF, GPS, ICC, and details of compression.
_KNOWN = frozenset(
    {IPTC_TAG, PHOTOSHOP_TAG, _PHOTOSHOP_LAYERS, 33432, 34665, 34675, 34853, 34908, 34909, 40965, *GEO_TAGS}
)
_KNOWN_RANGES = (range(37377, 37397), range(40091, 40096), range(40960, 41000))
_FALSE_DESCRIPTIONS = (
    (re.compile(rb'\{"shape": *\['), "the description of an array (tifffile)"),
    (re.compile(rb"ImageJ="), "the description of a stack (ImageJ)"),
    (re.compile(rb".*<OME\b", re.DOTALL), "the description in OME-XML"),
)
_DESCRIPTION_HEAD_BYTES = 4096


def read_tiff_metadata(
    source: OpenSource, page: TiffPage | None, orientation: int, metadata: Metadata, left_out: list[str]
) -> Metadata:
    """Add what the directory of ``page`` holds; ``left_out`` gets what cannot be kept."""
    whole = read_page(source, 0 if page is None else page.page)
    first, tags = whole if whole.page == 0 else read_page(source, 0), whole.tags
    false = _false_description(tags)
    if false:
        left_out.append(false)
    geo = {tag: tags[tag] for tag in GEO_TAGS if tag in tags}
    left_out += _not_kept(listed_tags(source.read_at, whole.order, whole.offset, whole.form), tags)
    return replace(
        metadata,
        # libvips reads these two of the pages that it decodes itself.
        xmp=metadata.xmp or (tags[_XMP].value if _XMP in tags else None),
        pixels_per_mm=metadata.pixels_per_mm or _print_resolution(whole),
        exif=exif_of_tiff(
            source.read_at,
            first.order,
            first.form,
            first.tags,
            orientation,
            without=(DESCRIPTION,) if false else (),
        ),
        iptc=_resources(tags),
        geo=GeoTags(whole.order, geo) if geo else None,
    )


def _print_resolution(page: TiffPage) -> tuple[float, float] | None:
    across, down = (page.rationals(tag)[:1] for tag in (X_RESOLUTION, Y_RESOLUTION))
    unit_mm = UNITS_MM.get(page.first(RESOLUTION_UNIT, INCH))
    return resolution_of(across[0] / unit_mm, down[0] / unit_mm) if across and down and unit_mm else None


def _not_kept(listed: list[int], read: Directory) -> list[str]:
    """What is left out of the tags in a directory, of which those with sound and not too large values were read."""
    out = ["the layers of Photoshop"] if _PHOTOSHOP_LAYERS in listed else []
    unknown = [tag for tag in listed if tag >= _FIRST_PRIVATE and not _is_known(tag)]
    lost = [tag for tag in listed if tag in _COPIED and tag not in read]
    for tags, what in ((unknown, "of unknown meaning"), (lost, "that are damaged or too large")):
        if tags:
            names = ", ".join(str(tag) for tag in sorted(set(tags))[:_MAX_NAMES])
            out.append(f"TIFF tags {what} ({names})")
    return out


def _is_known(tag: int) -> bool:
    return tag in _KNOWN or any(tag in each for each in _KNOWN_RANGES)


def _false_description(tags: Directory) -> str:
    """What a description that states the size of the input is called; "" for any other."""
    value = tags[DESCRIPTION].value[:_DESCRIPTION_HEAD_BYTES] if DESCRIPTION in tags else b""
    return next((what for pattern, what in _FALSE_DESCRIPTIONS if pattern.match(value)), "")


def _resources(tags: Directory) -> bytes | None:
    resources = iptc.resources_of(tags[PHOTOSHOP_TAG].value) if PHOTOSHOP_TAG in tags else None
    record = tags[IPTC_TAG].value if IPTC_TAG in tags else None
    if record is None or (resources and iptc.record_of(resources)):
        return resources
    return (iptc.resources_of(record) or b"") + (resources or b"") or None
