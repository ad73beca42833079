"""Scan of a PNG's chunks before libpng reads it: size, decompression bombs, and metadata that libvips drops."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from sparsesr.errors import InputError
from sparsesr.image import png_text
from sparsesr.image.decoded_image import resolution_of
from sparsesr.image.png_bytes import Chunk, chunk, chunks_in, chunks_of
from sparsesr.image.png_text import TEXT_CHUNKS, TextBudget
from sparsesr.image.sniff import check_size
from sparsesr.image.source import OpenSource
from sparsesr.limits import ImageLimits

_COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_AFTER_HEADER = 33
# The pixels, what libvips reads or decoding notes, and what describes only the pixels of the input (or its time).
_EXPECTED = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB cICP iCCP mDCV cLLI eXIf pHYs acTL fcTL fdAT caBX"
    b" bKGD hIST sBIT sPLT tIME oFFs vpAg caNv iDOT orNT CgBI".split()
)
_MAX_NAMES = 20
_PHYS_BYTES, _METRE = 9, 1


@dataclass
class PngFacts:
    """Facts from the chunks other than the pixels."""

    colour: bytes = b""
    """Whole colour chunks, which PNG output repeats."""
    text: bytes = b""
    """Whole text chunks, which PNG output repeats."""
    xmp: bytes | None = None
    exif: bytes | None = None
    pixels_per_mm: tuple[float, float] | None = None
    """Horizontal and vertical print resolution, if the file states one; libvips does not tell."""
    profiles: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Profiles that ImageMagick stored as text, by their lower-case names: exif, app1, iptc, xmp."""
    is_animated: bool = False
    has_credentials: bool = False
    """Signed content credentials (C2PA)."""
    left_out: list[str] = field(default_factory=list[str])
    """Names of chunks that cannot be kept, because they are not known."""


def read_png_facts(source: OpenSource, limits: ImageLimits) -> PngFacts:
    """Walk the chunks. Raises LimitError (huge size, inflating text) or InputError (damaged header)."""
    _check_header(source, limits)
    facts, texts = PngFacts(), TextBudget(source.name, limits)
    for each in chunks_of(source, _AFTER_HEADER):
        kind = each.kind
        if kind in TEXT_CHUNKS or kind == b"iCCP":
            body = each.body(source, limits.max_metadata_bytes)
            texts.spend(kind, body)
            if kind != b"iCCP" and len(body) == each.length:
                _take_text(facts, kind, body, limits)
        elif kind in _COLOUR_CHUNKS and each.length <= 64:
            _take_colour(facts, source, each)
        elif kind == b"eXIf":  # libvips overlooks it behind the pixels
            facts.exif = facts.exif or each.body(source, limits.max_metadata_bytes)
        elif kind == b"pHYs":
            facts.pixels_per_mm = _print_resolution(each.body(source, _PHYS_BYTES))
        elif kind not in _EXPECTED and kind.isalpha() and len(facts.left_out) < _MAX_NAMES:
            facts.left_out.append(kind.decode("ascii"))
        facts.is_animated = facts.is_animated or kind == b"acTL"
        facts.has_credentials = facts.has_credentials or kind == b"caBX"
    return facts


def _take_colour(facts: PngFacts, source: OpenSource, each: Chunk) -> None:
    """Keep the first chunk of each kind, unless it fails its checksum, as libpng does."""
    whole = chunk(each.kind, each.body(source))
    is_first = all(kind != each.kind for kind, _ in chunks_in(facts.colour))
    if is_first and whole == source.read_at(each.at, len(whole)):
        facts.colour += whole


def _print_resolution(body: bytes) -> tuple[float, float] | None:
    """Pixels per mm; None for a chunk that states the shape of a pixel only."""
    if len(body) < _PHYS_BYTES:
        return None
    across, down, unit = struct.unpack(">IIB", body)
    return resolution_of(across / 1000, down / 1000) if unit == _METRE else None


def _take_text(facts: PngFacts, kind: bytes, body: bytes, limits: ImageLimits) -> None:
    profile = png_text.raw_profile(kind, body, limits.max_metadata_bytes)
    if profile is not None:
        facts.profiles.setdefault(*profile)
    elif png_text.keyword_of(body) == png_text.XMP_KEYWORD:
        facts.xmp = facts.xmp or png_text.text_of(kind, body, limits.max_metadata_bytes)
    elif png_text.is_kept(body) and len(facts.text) + len(body) <= limits.max_metadata_bytes:
        facts.text += chunk(kind, body)


def _check_header(source: OpenSource, limits: ImageLimits) -> None:
    head = source.read_at(8, 25)
    if len(head) < 25 or head[4:8] != b"IHDR":
        raise InputError(
            "the PNG header is cut short or damaged", where=source.name, remedy="copy or download it again"
        )
    if struct.unpack(">I", head[21:25])[0] != zlib.crc32(head[4:21]):
        raise InputError(
            "the PNG header fails its checksum (damaged)",
            where=source.name,
            remedy="copy or download it again",
        )
    width, height = struct.unpack(">II", head[8:16])
    check_size(source.name, height, width, limits)
