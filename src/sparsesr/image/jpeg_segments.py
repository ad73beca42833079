"""Segments in the header of a JPEG: metadata that libvips drops or shortens, and signs of other contents."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from sparsesr.image import iptc, xmp_packets
from sparsesr.image.jpeg_walk import segments
from sparsesr.image.source import OpenSource
from sparsesr.limits import ImageLimits

SEGMENT_MAX_BYTES = 65_533
"""The largest content of a segment."""
_XMP, _XMP_EXTENSION = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_COM, _APP0 = 0xFE, 0xE0
_PICTURE_COUNT = 0xB001


@dataclass
class JpegFacts:
    """Contents of the header."""

    xmp: bytes | None = None
    """The packet, with its extension merged in."""
    resources: bytes | None = None
    """Photoshop resources, which hold the IPTC record; from all segments together."""
    comments: list[bytes] = field(default_factory=list[bytes])
    pictures: int = 1
    """Pictures in a multi-picture file, such as the two of a stereo camera."""
    has_credentials: bool = False
    """Signed content credentials (C2PA)."""


def segment(marker: int, body: bytes) -> bytes:
    """A complete segment; ``body`` has at most ``SEGMENT_MAX_BYTES``."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def xmp_segments(packet: bytes) -> bytes:
    """The packet as one segment, or, if it is too large, as a short one and its extension."""
    main, extension = xmp_packets.split(packet, SEGMENT_MAX_BYTES - len(_XMP))
    out = segment(0xE1, _XMP + main)
    if extension is None:
        return out
    guid = xmp_packets.digest(extension)
    step = SEGMENT_MAX_BYTES - len(_XMP_EXTENSION) - 40
    for start in range(0, len(extension), step):
        place = guid + struct.pack(">II", len(extension), start)
        out += segment(0xE1, _XMP_EXTENSION + place + extension[start : start + step])
    return out


def resource_segments(resources: bytes) -> bytes:
    """Photoshop resources in as many segments as they need; readers join them."""
    step = SEGMENT_MAX_BYTES - len(_PHOTOSHOP)
    return b"".join(
        segment(0xED, _PHOTOSHOP + resources[start : start + step])
        for start in range(0, len(resources), step)
    )


def comment_segments(comment: bytes) -> bytes:
    """A comment in as many segments as it needs."""
    return b"".join(
        segment(_COM, comment[start : start + SEGMENT_MAX_BYTES])
        for start in range(0, len(comment), SEGMENT_MAX_BYTES)
    )


def read_jpeg_facts(source: OpenSource, limits: ImageLimits) -> JpegFacts:
    """Walk the segments up to the pixels; damaged ones are skipped."""
    facts, resources, extension = JpegFacts(), list[bytes](), xmp_packets.Extension(limits.max_metadata_bytes)
    total = 0
    for marker, body in _metadata_of(source):
        total += len(body)
        if total > limits.max_metadata_bytes:
            break
        if marker == 0xE1 and body.startswith(_XMP):
            facts.xmp = facts.xmp or body[len(_XMP) :]
        elif marker == 0xE1 and body.startswith(_XMP_EXTENSION):
            extension.add(body[len(_XMP_EXTENSION) :])
        elif marker == 0xED and body.startswith(_PHOTOSHOP):
            resources.append(body[len(_PHOTOSHOP) :])
        elif marker == 0xE2 and body.startswith(b"MPF\0"):
            facts.pictures = max(facts.pictures, _picture_count(body[4:]))
        elif marker == 0xEB and b"jumb" in body[:64]:
            facts.has_credentials = True
        elif marker == _COM:
            facts.comments.append(body)
    if facts.xmp is not None:
        facts.xmp = xmp_packets.merged(facts.xmp, extension)
    facts.resources = iptc.resources_of(b"".join(resources))
    return facts


def _metadata_of(source: OpenSource) -> Iterator[tuple[int, bytes]]:
    """Marker and body of each segment that is not a table for the pixels."""
    for marker, at, length in segments(source):
        if marker >= _APP0:
            yield marker, source.read_at(at, length)


def _picture_count(block: bytes) -> int:
    """The number of pictures that a multi-picture index (CIPA DC-007) states; 1 if it is damaged."""
    if block[:4] not in (b"II*\0", b"MM\0*") or len(block) < 8:
        return 1
    order = "<" if block[:2] == b"II" else ">"
    start = struct.unpack_from(order + "I", block, 4)[0]
    if start + 2 > len(block):
        return 1
    count = struct.unpack_from(order + "H", block, start)[0]
    for position in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag, _, _, value = struct.unpack_from(order + "HHII", block, position)
        if tag == _PICTURE_COUNT:
            return int(value)
    return 1
