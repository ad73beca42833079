"""XMP: large packets in JPEG, and properties that would be false; read back by Pillow, by hand and as XML."""

from __future__ import annotations

import struct
from xml.etree import ElementTree

import pytest

from image.tagged_files import (
    HEIGHT,
    TITLE,
    WIDTH,
    doubled,
    jpeg,
    jpeg_segments,
    packet,
    pillow,
    segment,
    text_png,
)
from sparsesr.image import xmp
from sparsesr.image.decode import decode
from sparsesr.image.encode import encode
from sparsesr.image.xmp_references import without_references

STANDARD, EXTENDED = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
DC, NOTE = "{http://purl.org/dc/elements/1.1/}", "{http://ns.adobe.com/xmp/note/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
LONG = b'<rdf:Description rdf:about="" xmlns:%s="http://%s/" %s:notes="%s"/>'
NOTES = LONG % (b"a", b"a", b"a", b"%s")
POINTER = b'<rdf:Description rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="GUID"/>'


def enlarged(data: bytes, format: str) -> tuple[bytes, list[str]]:
    decoded = decode(data)
    done = encode(decoded.with_pixels(doubled(), None), None, format=format)
    return done.data, [*decoded.notes, *done.notes]


def properties(text: bytes) -> dict[str, str]:
    """All properties of a packet, by their full names, whether attributes or elements."""
    found: dict[str, str] = {}
    for description in ElementTree.fromstring(text).iter(f"{RDF}Description"):  # noqa: S314 - our own text
        found |= {name: value for name, value in description.attrib.items() if not name.startswith(RDF)}
        found |= {child.tag: (child.text or "") for child in description}
    return found


def packets_of(data: bytes) -> tuple[bytes, bytes]:
    """The standard packet of a JPEG and its extension, put together by the rules of the specification."""
    (standard,) = [
        body for marker, body in jpeg_segments(data) if marker == 0xE1 and body.startswith(STANDARD)
    ]
    parts: dict[int, bytes] = {}
    for marker, body in jpeg_segments(data):
        if marker == 0xE1 and body.startswith(EXTENDED):
            guid, (size, offset) = body[35:67], struct.unpack(">II", body[67:75])
            parts[offset] = body[75:]
            assert guid in standard
    extension = b"".join(part for _, part in sorted(parts.items()))
    assert not parts or len(extension) == size
    return standard[len(STANDARD) :], extension


def extended_jpeg(standard: bytes, extension: bytes, *, order: int = 1) -> bytes:
    """A JPEG with a packet and its extension in two parts."""
    guid, middle = b"0123456789ABCDEF0123456789ABCDEF", len(extension) // 2
    parts = [(0, extension[:middle]), (middle, extension[middle:])][::order]
    segments = [
        segment(0xE1, EXTENDED + guid + struct.pack(">II", len(extension), offset) + part)
        for offset, part in parts
    ]
    return jpeg(segment(0xE1, STANDARD + standard.replace(b"GUID", guid)), *segments)


class TestLargePackets:
    def test_padding_and_comments_are_left_out_first(self):
        large = packet(TITLE.replace(b"/>", b">" + b"<!--x-->" * 10_000 + b"</rdf:Description>"))
        assert len(large) > 65_536
        data, notes = enlarged(text_png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + large)), "jpeg")
        standard, extension = packets_of(data)
        assert properties(standard) == {f"{DC}title": "At the lake"}
        assert extension == b"" and notes == []

    def test_whole_descriptions_go_to_the_extension(self):
        large = packet(
            TITLE, LONG % (b"a", b"a", b"a", b"n" * 60_000), LONG % (b"b", b"b", b"b", b"m" * 90_000)
        )
        data, _ = enlarged(text_png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + large)), "jpeg")
        standard, extension = packets_of(data)
        found = properties(standard)
        assert len(found.pop(f"{NOTE}HasExtendedXMP")) == 32
        assert found == {f"{DC}title": "At the lake", "{http://a/}notes": "n" * 60_000}
        assert properties(extension) == {"{http://b/}notes": "m" * 90_000}
        assert properties(decode(data).metadata.xmp) == {**found, **properties(extension)}

    def test_one_large_description_is_the_extension(self):
        large = packet(NOTES % (b"n" * 200_000))
        data, _ = enlarged(text_png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + large)), "jpeg")
        standard, extension = packets_of(data)
        assert properties(extension) == {"{http://a/}notes": "n" * 200_000}
        assert list(properties(standard)) == [f"{NOTE}HasExtendedXMP"]

    @pytest.mark.parametrize("form", ["another prefix", "no descriptions"])
    def test_packets_of_an_unusual_form_are_the_extension(self, form):
        large = packet(NOTES % (b"n" * 70_000))
        if form == "another prefix":
            large = large.replace(b"rdf:", b"r:").replace(b"xmlns:rdf", b"xmlns:r")
        else:
            large = large.replace(b"rdf:Description", b"a:Person")
        data, _ = enlarged(text_png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + large)), "jpeg")
        standard, extension = packets_of(data)
        assert list(properties(standard)) == [f"{NOTE}HasExtendedXMP"]
        assert b"n" * 70_000 in extension

    @pytest.mark.parametrize("order", [1, -1])
    @pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
    def test_an_extension_is_merged(self, order, format):
        extension = packet(NOTES % (b"n" * 70_000))
        data, _ = enlarged(extended_jpeg(packet(TITLE, POINTER), extension, order=order), format)
        if format == "jpeg":
            standard, extension = packets_of(data)
            assert properties(standard)[f"{DC}title"] == "At the lake"
            assert properties(extension)["{http://a/}notes"] == "n" * 70_000
            return
        image = pillow(data)
        text = image.info.get("xmp") or image.info["XML:com.adobe.xmp"]
        found = properties(text if isinstance(text, bytes) else text.encode())
        assert found == {f"{DC}title": "At the lake", "{http://a/}notes": "n" * 70_000}

    def test_an_incomplete_extension_is_ignored(self):
        whole = extended_jpeg(packet(TITLE, POINTER), packet(NOTES % (b"n" * 70_000)))
        last = [each for each in jpeg_segments(whole) if each[1].startswith(EXTENDED)][-1]
        data, _ = enlarged(whole.replace(segment(*last), b""), "jpeg")
        assert properties(packets_of(data)[0]) == {f"{DC}title": "At the lake"}


class TestFalseProperties:
    def test_sizes_orientation_and_type_are_set(self):
        text = packet(
            b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
            b'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
            b'tiff:ImageWidth="56" tiff:Orientation="1" dc:format="image/png">'
            b"<exif:PixelYDimension>40</exif:PixelYDimension></rdf:Description>"
        )
        data, _ = enlarged(jpeg(xmp=text), "jpeg")
        found = {name.split("}")[1]: value for name, value in properties(packets_of(data)[0]).items()}
        assert found == {
            "ImageWidth": "112",
            "Orientation": "1",
            "format": "image/jpeg",
            "PixelYDimension": "80",
        }

    def test_panoramas_are_scaled(self):
        text = packet(
            b'<rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" '
            b'GPano:FullPanoWidthPixels="100" GPano:CroppedAreaImageHeightPixels="40" '
            b'GPano:CroppedAreaLeftPixels="11" GPano:CroppedAreaTopPixels="7" GPano:PoseHeadingDegrees="90"/>'
        )
        updated = xmp.updated(text, 2 * HEIGHT, 3 * WIDTH, (HEIGHT, WIDTH))
        found = {name.split("}")[1]: value for name, value in properties(updated).items()}
        assert found == {
            "FullPanoWidthPixels": "300",
            "CroppedAreaImageHeightPixels": "80",
            "CroppedAreaLeftPixels": "33",
            "CroppedAreaTopPixels": "14",
            "PoseHeadingDegrees": "90",
        }

    def test_the_size_that_faces_refer_to_is_set(self):
        text = b'<mwg-rs:AppliedToDimensions stDim:w="56" stDim:h="40" stDim:unit="pixel"/><a stDim:w="5"/>'
        assert xmp.updated(text, 80, 112) == text.replace(b'"56"', b'"112"').replace(b'"40"', b'"80"')

    @pytest.mark.parametrize(
        ("inner", "what"),
        [
            (b'xmlns:g="http://ns.adobe.com/hdr-gain-map/1.0/" g:Version="1.0"/>', "the HDR gain map"),
            (
                b'xmlns:h="http://ns.apple.com/HDRGainMap/1.0/"><h:HDRGainMapVersion>1</h:HDRGainMapVersion>',
                "the HDR gain map",
            ),
            (
                b'xmlns:c="http://ns.google.com/photos/1.0/camera/" c:MotionPhoto="1" c:Kept="1"/>',
                "the video of a motion photo",
            ),
            (
                b'xmlns:c="http://ns.google.com/photos/1.0/camera/" c:MicroVideoOffset="9"/>',
                "the video of a motion photo",
            ),
            (b'xmlns:d="http://ns.google.com/photos/1.0/depthmap/"><d:Data>AAAA</d:Data>', "the depth map"),
            (
                b'xmlns:x="http://ns.google.com/photos/1.0/container/" '
                b'xmlns:i="http://ns.google.com/photos/1.0/container/item/"><x:Directory><rdf:Seq>'
                b'<rdf:li><x:Item i:Length="9" i:Semantic="GainMap"/></rdf:li></rdf:Seq></x:Directory>',
                None,
            ),
            (
                b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"><xmp:Thumbnails><rdf:Alt><rdf:li>'
                b"<a>AAAA</a></rdf:li></rdf:Alt></xmp:Thumbnails>",
                None,
            ),
        ],
    )
    def test_references_are_removed_and_the_rest_is_kept(self, inner, what):
        closing = b"" if inner.endswith(b"/>") else b"</rdf:Description>"
        text = packet(TITLE, b'<rdf:Description rdf:about="" ' + inner + closing)
        kept, left_out = without_references(text)
        assert left_out == ([what] if what else [])
        found = properties(kept)
        assert found.pop(f"{DC}title") == "At the lake"
        assert {name.split("}")[1] for name in found} <= {"Kept", "Rating"}
        assert len(found) == (b"Kept" in inner) + (b"Rating" in inner)

    def test_faces_are_removed_from_turned_images_only(self):
        uri = b"http://www.metadataworkinggroup.com/schemas/regions/"
        text = packet(
            b'<rdf:Description rdf:about="" xmlns:m="%s"><m:Regions><a/></m:Regions></rdf:Description>' % uri
        )
        assert without_references(text) == (text, [])
        kept, left_out = without_references(text, is_turned=True)
        assert properties(kept) == {} and "faces" in left_out[0]

    @pytest.mark.parametrize(
        "text", [b"", b"<a", b"<!DOCTYPE a><a/>", b"\xff\xfe<\0a\0", packet(TITLE)[:-40]]
    )
    def test_what_is_not_well_formed_stays(self, text):
        assert without_references(text) == (text, [])

    def test_a_packet_without_references_stays_byte_for_byte(self):
        text = packet(TITLE) + b"\n" * 2_000
        assert without_references(text) == (text, [])


def test_a_packet_is_read_as_it_is_written():
    assert decode(jpeg(xmp=packet(TITLE))).metadata.xmp == packet(TITLE)
