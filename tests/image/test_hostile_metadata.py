"""Metadata made to exhaust time or memory: both stay in proportion to the file."""

from __future__ import annotations

import struct
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from image.tagged_files import TITLE, jpeg, packet, segment, tagged_tiff
from sparsesr.image import geotiff, xmp, xmp_packets
from sparsesr.image.decode import decode
from sparsesr.image.jpeg_segments import read_jpeg_facts
from sparsesr.image.source import in_memory
from sparsesr.image.tiff_tags import Tag
from sparsesr.image.xmp_references import without_references
from sparsesr.limits import MEBIBYTE, ImageLimits

MOST_S = 5.0
FACES, DESCRIPTION = b"<mwg-rs:AppliedToDimensions>", b"<rdf:Description "
NAMESPACES = b"".join(b' xmlns:n%d="http://n%d/"' % (k, k) for k in range(4000))
TAGS = 999


@contextmanager
def in_proportion() -> Generator[None, None, None]:
    """The block takes less than ``MOST_S`` of the processor, which anything quadratic in these files exceeds."""
    start = time.process_time()
    yield
    assert time.process_time() - start < MOST_S


@pytest.mark.parametrize("text", [packet(FACES * 60_000), FACES[1:-1] * 60_000], ids=["elements", "words"])
def test_areas_of_faces(text):
    with in_proportion():
        xmp.updated(text, 10, 10, (5, 5), "image/png")


@pytest.mark.parametrize(
    "text",
    [
        b"<!--" * 300_000,
        b"<?xpacket " * 150_000,
        b"x" * 70_000 + DESCRIPTION * 60_000,
        b"<rdf:Description/>" * 30_000,
    ],
    ids=["comments", "instructions", "open tags", "descriptions"],
)
def test_large_packets_for_jpeg(text):
    whole = packet(text).replace(b"<rdf:RDF", b"<rdf:RDF" + NAMESPACES)
    with in_proportion():
        main, extension = xmp_packets.split(whole, 65_000)
    assert len(main) <= 65_000
    assert len(extension or b"") < 2 * len(whole)


def test_blanks_in_packets():
    blanks = b" " * 400_000
    with in_proportion():
        xmp_packets.merged(packet(blanks), xmp_packets.Extension(MEBIBYTE))
        text = packet(TITLE.replace(b" dc:title", blanks + b"dc:title"))
        assert without_references(text) == (text, [])


def test_statistics_of_geotiff():
    text = b'<Item name="STATISTICS_a"' * 40_000
    geo = geotiff.GeoTags("<", {geotiff.GDAL_METADATA: Tag(2, len(text), text)})
    with in_proportion():
        geotiff.scaled(geo, (5, 5), (10, 10))


def test_resources_of_jpeg_in_many_segments():
    data = jpeg(*[segment(0xED, b"Photoshop 3.0\0" + bytes(130))] * 90_000)
    with in_proportion():
        read_jpeg_facts(in_memory(data), ImageLimits())


def test_tags_of_tiff_that_share_their_bytes():
    data = bytearray(tagged_tiff((65_001, 4, 1, 0)))
    at = data.index(struct.pack("<HHI", 65_001, 4, 1))
    struct.pack_into("<HHII", data, at, 0x8769, 4, 1, len(data))
    shared = len(data) + 2 + 12 * TAGS + 4
    entries = (struct.pack("<HHII", 0x9000 + k, 7, MEBIBYTE, shared) for k in range(TAGS))
    data += struct.pack("<H", TAGS) + b"".join(entries) + bytes(4 + MEBIBYTE)
    with in_proportion():
        decoded = decode(bytes(data))
    assert len(decoded.metadata.exif or b"") < 20 * MEBIBYTE
