"""XMP packets of more than 64 KB in JPEG: a standard packet and an extension (XMP Specification, part 3, 1.1.3.1)."""

from __future__ import annotations

import hashlib
import re
import struct
from itertools import pairwise

_ROOT = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
)
_ROOT_END = b"</rdf:RDF></x:xmpmeta>"
_POINTER = b'<rdf:Description rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"/>'
_POINTING = re.compile(
    rb"(?<!\s)\s*xmpNote:HasExtendedXMP\s*=\s*(?:\"[^\"]*\"|'[^']*')|<xmpNote:HasExtendedXMP>[^<]*</xmpNote:HasExtendedXMP>"
)
_NAMESPACES = re.compile(rb"\sxmlns:[\w.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_RDF_END = b"</rdf:RDF>"
_MAX_ADDED_BYTES = 1 << 24
"""For namespaces that are declared once and used by many descriptions."""


class Extension:
    """Collects the parts of an extension, in any order."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: dict[bytes, dict[int, bytes]] = {}
        self._sizes: dict[bytes, int] = {}

    def add(self, body: bytes) -> None:
        """Add a part: digest of the whole (32), length of the whole (4), offset (4), bytes."""
        if len(body) > 40:
            size, offset = struct.unpack_from(">II", body, 32)
            self._sizes[body[:32]] = size
            self._parts.setdefault(body[:32], {})[offset] = body[40:]

    def whole(self, packet: bytes) -> bytes | None:
        """The complete extension to which ``packet`` points; None if there is none or parts are missing."""
        for guid, parts in self._parts.items():
            joined = b"".join(part for _, part in sorted(parts.items()))
            if guid in packet and len(joined) == self._sizes[guid] <= self._max_bytes:
                return joined
        return None


def digest(extension: bytes) -> bytes:
    """The name by which a standard packet points to its extension."""
    return hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode("ascii")


def merged(packet: bytes, extension: Extension) -> bytes:
    """The packet with the properties of its extension, and without the pointer to it."""
    whole = extension.whole(packet)
    packet = _POINTING.sub(b"", packet)
    inner = None if whole is None else _inside(whole)
    end = packet.rfind(_RDF_END)
    if inner is None or end < 0:
        return packet
    return packet[:end] + inner + packet[end:]


def split(packet: bytes, most_bytes: int) -> tuple[bytes, bytes | None]:
    """A packet of at most ``most_bytes``, and an extension with what does not fit.

    Padding and comments, which hold no properties, are left out first. Then whole descriptions go to the extension,
    from the last; a packet that is not in the usual form goes there entirely.
    """
    if len(packet) <= most_bytes:
        return packet, None
    packet = _compact(packet)
    if len(packet) <= most_bytes:
        return packet, None
    inner = _inside(packet) or b""
    descriptions = _descriptions(inner)
    room = most_bytes - len(_ROOT) - len(_ROOT_END) - len(_POINTER % digest(b""))
    kept = b""
    while descriptions and len(kept) + len(descriptions[0]) <= room:
        kept += descriptions.pop(0)
    rest = b"".join(descriptions)
    extension = _ROOT + rest + _ROOT_END if rest else packet
    return _ROOT + _POINTER % digest(extension) + kept + _ROOT_END, extension


def _compact(packet: bytes) -> bytes:
    return _without(_without(packet, b"<?xpacket", b"?>"), b"<!--", b"-->").strip()


def _without(packet: bytes, start: bytes, end: bytes) -> bytes:
    """The packet without what lies from each ``start`` to the next ``end``."""
    kept, at = list[bytes](), 0
    while (opened := packet.find(start, at)) >= 0:
        closed = packet.find(end, opened + len(start))
        if closed < 0:
            break
        kept.append(packet[at:opened])
        at = closed + len(end)
    return b"".join((*kept, packet[at:]))


def _inside(packet: bytes) -> bytes | None:
    """The descriptions, with namespaces declared around them moved into each; None if the form is not the usual one."""
    start, end = packet.find(b"<rdf:RDF"), packet.rfind(_RDF_END)
    opened = packet.find(b">", start)
    if start < 0 or end < 0 or opened < 0:
        return None
    declared = [
        each
        for each in _NAMESPACES.findall(packet[: opened + 1])
        if b"xmlns:rdf" not in each and b"xmlns:x=" not in each
    ]
    descriptions = _descriptions(packet[opened + 1 : end])
    if sum(map(len, declared)) * len(descriptions) > _MAX_ADDED_BYTES:
        return None
    return b"".join(_declaring(each, declared) for each in descriptions)


def _declaring(description: bytes, namespaces: list[bytes]) -> bytes:
    head = b"<rdf:Description"
    tag = description.partition(b">")[0]
    missing = b"".join(each for each in namespaces if each.split(b"=")[0] not in tag)
    return description.replace(head, head + missing, 1) if missing else description


def _descriptions(inner: bytes) -> list[bytes]:
    """The top-level ``rdf:Description`` elements, each with what follows it up to the next."""
    starts: list[int] = []
    depth = 0
    for match in re.finditer(rb"<(/?)rdf:Description\b(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?(/?)>", inner):
        closes, empty = match.groups()
        if not closes and depth == 0:
            starts.append(match.start())
        depth += 0 if empty else (-1 if closes else 1)
    return [inner[start:end] for start, end in pairwise((*starts, len(inner)))]
