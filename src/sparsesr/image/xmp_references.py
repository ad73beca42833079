"""Properties of XMP packets that refer to parts of a file which do not survive: gain maps, videos, previews."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

_GAIN_MAP, _VIDEO, _DEPTH, _SOUND = (
    "the HDR gain map",
    "the video of a motion photo",
    "the depth map",
    "the sound",
)
_GOOGLE = "http://ns.google.com/photos/1.0/"
_GONE: dict[str, str] = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": _GAIN_MAP,
    "http://ns.apple.com/HDRGainMap/1.0/": _GAIN_MAP,
    "http://ns.apple.com/pixeldatainfo/1.0/": "",
    f"{_GOOGLE}depthmap/": _DEPTH,
    "http://ns.google.com/photos/dd/1.0/device/": _DEPTH,
    f"{_GOOGLE}image/": "the picture before blurring",
    f"{_GOOGLE}audio/": _SOUND,
    f"{_GOOGLE}container/": "",
    f"{_GOOGLE}container/item/": "",
}
"""Namespaces whose properties are all removed, and what is left out with them, if they say so."""
_GONE_NAMES: dict[str, tuple[str, str]] = {
    f"{_GOOGLE}camera/": (r"Micro?Video\w*|MotionPhoto\w*", _VIDEO),
    "http://ns.adobe.com/xap/1.0/": (r"Thumbnails", ""),
    "http://purl.org/dc/terms/": (r"provenance", ""),
}
"""Namespaces of which only the properties with these names are removed."""
_GONE_IF_TURNED: dict[str, tuple[str, str]] = {
    "http://www.metadataworkinggroup.com/schemas/regions/": (
        r"Regions",
        "the areas of faces (the image was turned)",
    ),
    "http://ns.microsoft.com/photo/1.2/": (r"RegionInfo", "the areas of faces (the image was turned)"),
}
_START_TAG = re.compile(rb"<[^\s/>]+(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
_ATTRIBUTE = re.compile(rb"(?<!\s)\s+([\w.-]+):([\w.-]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')")


@dataclass
class _Found:
    """Byte ranges to remove, and what they stood for."""

    ranges: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    what: list[str] = field(default_factory=list[str])

    def note(self, what: str) -> None:
        if what and what not in self.what:
            self.what.append(what)


def without_references(packet: bytes, *, is_turned: bool = False) -> tuple[bytes, list[str]]:
    """Remove the properties from a UTF-8 packet; also returns what is left out with them.

    Everything else stays byte for byte. A packet that is not well-formed, or has a document type, stays as it is.
    """
    if b"<!DOCTYPE" in packet:
        return packet, []
    found = _Found()
    try:
        _Walk(packet, is_turned, found).parse()
    except expat.ExpatError:
        return packet, []
    out, at = b"", 0
    for start, end in sorted(found.ranges):
        if start >= at:
            out, at = out + packet[at:start], end
    return out + packet[at:], found.what


class _Walk:
    """One pass of the parser over a packet."""

    def __init__(self, packet: bytes, is_turned: bool, found: _Found) -> None:
        self._packet, self._found = packet, found
        self._names = {**_GONE_NAMES, **(_GONE_IF_TURNED if is_turned else {})}
        self._depth_inside = 0
        self._start = 0
        self._prefixes: dict[str, str] = {}
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartNamespaceDeclHandler = self._declare
        self._parser.StartElementHandler = self._open
        self._parser.EndElementHandler = self._close

    def parse(self) -> None:
        # Zeros and spaces after the packet are padding of some writers.
        self._parser.Parse(self._packet.rstrip(b"\0 \r\n\t"), True)

    def _reason(self, uri: str, name: str) -> str | None:
        """What is left out with a property; None if the property is kept."""
        if uri in _GONE:
            return _GONE[uri]
        pattern, what = self._names.get(uri, ("", ""))
        return what if pattern and re.fullmatch(pattern, name) else None

    def _declare(self, prefix: str | None, uri: str) -> None:
        if prefix:
            self._prefixes[prefix] = uri

    def _open(self, name: str, _attributes: dict[str, Any]) -> None:
        if self._depth_inside:
            self._depth_inside += 1
            return
        uri, _, local = name.rpartition(" ")
        reason = self._reason(uri, local)
        at = self._parser.CurrentByteIndex
        if reason is not None:
            self._found.note(reason)
            self._depth_inside, self._start = 1, at
            return
        tag = _START_TAG.match(self._packet, at)
        for each in _ATTRIBUTE.finditer(self._packet, at, tag.end()) if tag else ():
            prefix, local = (part.decode("utf-8", "replace") for part in each.groups())
            reason = self._reason(self._prefixes.get(prefix, ""), local)
            if reason is not None:
                self._found.note(reason)
                self._found.ranges.append(each.span())

    def _close(self, _name: str) -> None:
        if not self._depth_inside:
            return
        self._depth_inside -= 1
        if self._depth_inside == 0:
            at = self._parser.CurrentByteIndex
            tag = _START_TAG.match(self._packet, at) if at == self._start else None
            end = tag.end() if tag else self._packet.find(b">", at) + 1
            self._found.ranges.append((self._start, end))
