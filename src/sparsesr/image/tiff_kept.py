"""Metadata of TIFF files: descriptive tags, IPTC and georeference are kept; what would be false is left out."""

from __future__ import annotations

import re
from dataclasses import replace

from sparsesr.image import iptc
from sparsesr.image.decoded_image import Metadata
from sparsesr.image.geotiff import GEO_TAGS, GeoTags
from sparsesr.image.source import OpenSource
from sparsesr.image.tiff_pages import TiffPage, read_page
from sparsesr.image.tiff_tags import DESCRIPTION, Directory, exif_of_tiff

IPTC_TAG, PHOTOSHOP_TAG, _PHOTOSHOP_LAYERS = 33723, 34377, 37724
_FIRST_PRIVATE = 32768
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
    source: OpenSource, page: TiffPage | None, metadata: Metadata, left_out: list[str]
) -> Metadata:
    """Add what the directory of ``page`` holds; ``left_out`` gets what cannot be kept."""
    whole = read_page(source, 0 if page is None else page.page)
    first, tags = whole if whole.page == 0 else read_page(source, 0), whole.tags
    false = _false_description(tags)
    if false:
        left_out.append(false)
    geo = {tag: tags[tag] for tag in GEO_TAGS if tag in tags}
    if _PHOTOSHOP_LAYERS in tags:
        left_out.append("the layers of Photoshop")
    unknown = [str(tag) for tag in sorted(tags) if tag >= _FIRST_PRIVATE and not _is_known(tag)]
    if unknown:
        left_out.append(f"TIFF tags of unknown meaning ({', '.join(unknown[:20])})")
    return replace(
        metadata,
        exif=exif_of_tiff(
            source.read_at, first.order, first.form, first.tags, without=(DESCRIPTION,) if false else ()
        ),
        iptc=_resources(tags),
        geo=GeoTags(whole.order, geo) if geo else None,
    )


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
