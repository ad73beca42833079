"""Metadata that survive, are corrected, or are said to be left out; read back by Pillow and tifffile."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from image.made_files import PHOTO, chunk
from image.tagged_files import (
    HEIGHT,
    RECORD,
    TITLE,
    WIDTH,
    doubled,
    exif_with,
    iptc_of,
    jpeg,
    jpeg_segments,
    packet,
    pillow,
    png_chunks,
    resource,
    segment,
    tagged_tiff,
    tags_of,
    text_png,
    webp,
)
from sparsesr.errors import InputError, LimitError
from sparsesr.image.decode import decode
from sparsesr.image.encode import EncodeOptions, encode
from sparsesr.image.gif_blocks import gif_comments
from sparsesr.image.source import OpenSource
from sparsesr.limits import ImageLimits

SHORT, LONG, RATIONAL = 3, 4, 5
WORKFLOW = "\n".join(f'node {i} {{"seed": {i * 7919}}}' for i in range(90_000)).encode()


def enlarged(data: bytes, format: str, **options) -> tuple[bytes, list[str]]:
    """The file with twice the pixels in another format, and all notes."""
    decoded = decode(data)
    pixels = doubled() if decoded.metadata.size == (HEIGHT, WIDTH) else decoded.rgb.repeat(2, 0).repeat(2, 1)
    encoded = encode(decoded.with_pixels(pixels, None), None, format=format, options=EncodeOptions(**options))
    return encoded.data, [*decoded.notes, *encoded.notes]


def gif(comment: bytes, frames: int) -> bytes:
    file = io.BytesIO()
    images = [Image.fromarray(np.roll(PHOTO, k, axis=0)).quantize(64) for k in range(frames)]
    images[0].save(file, "GIF", comment=comment, save_all=frames > 1, append_images=images[1:])
    return file.getvalue()


class TestPngText:
    def test_text_is_repeated_byte_for_byte(self):
        chunks = [
            (b"tEXt", b"parameters\0a tree with a bird\nSteps: 40"),
            (b"zTXt", b"workflow\0\0" + zlib.compress(WORKFLOW)),
            (b"iTXt", b"Title\0\0\0fr\0Titre\0Au bord du lac \xc3\xa9"),
        ]
        data, notes = enlarged(text_png(*chunks), "png")
        assert [each for each in png_chunks(data) if each[0] in (b"tEXt", b"zTXt", b"iTXt")] == chunks
        assert notes == []

    def test_text_after_the_pixels_too(self):
        plain = text_png()
        late = (b"tEXt", b"Author\0me")
        body = late[0] + late[1]
        whole = struct.pack(">I", len(late[1])) + body + struct.pack(">I", zlib.crc32(body))
        data, _ = enlarged(plain[:-12] + whole + plain[-12:], "png")
        assert pillow(data).text == {"Author": "me"}

    @pytest.mark.parametrize("format", ["jpeg", "webp", "tiff", "avif"])
    def test_other_formats_say_what_they_leave_out(self, format):
        _, notes = enlarged(text_png((b"tEXt", b"parameters\0x"), (b"tEXt", b"prompt\0y")), format)
        (note,) = notes
        assert note.startswith("left out, because") and "PNG text (parameters, prompt)" in note

    def test_false_facts_are_removed(self):
        chunks = [(b"tEXt", b"exif:PixelXDimension\00056"), (b"tEXt", b"Thumb::Image::Width\00056")]
        data, notes = enlarged(text_png(*chunks, (b"tEXt", b"Author\0me")), "png")
        assert pillow(data).text == {"Author": "me"}
        assert notes == []

    def test_large_text_that_inflates_a_thousandfold_is_a_bomb(self):
        with pytest.raises(LimitError, match="inflates to over 1 MiB"):
            decode(text_png((b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000), 9))))

    def test_text_over_the_limit_is_refused_however_it_is_compressed(self):
        noise = np.random.default_rng(0).integers(0, 16, 8 << 20, dtype=np.uint8).tobytes()
        with pytest.raises(LimitError, match="inflates to over 64 MiB"):
            decode(text_png(*[(b"zTXt", b"a\0\0" + zlib.compress(noise, 1))] * 9))

    def test_unknown_chunks_are_named(self):
        _, notes = enlarged(text_png((b"npTc", b"x"), (b"sBIT", b"\x08\x08\x08")), "png")
        assert notes == ["left out: PNG chunks of unknown kinds (npTc)"]

    def test_what_lies_behind_the_end_is_no_part_of_the_image(self):
        decoded = decode(text_png() + chunk(b"gAMA", b"\0\1\x86\xa0") + chunk(b"hiDe", b"secret"))
        assert (decoded.notes, decoded.metadata.png_colour) == ([], b"")

    def test_content_credentials_are_not_copied(self):
        data, notes = enlarged(text_png((b"caBX", b"jumb")), "png")
        assert b"caBX" not in data
        assert "C2PA" in notes[0]


class TestComments:
    def test_jpeg_keeps_all(self):
        long = b"b" * 70_000
        data, _ = enlarged(jpeg(segment(0xFE, b"Family at the lake"), segment(0xFE, long[:65_533])), "jpeg")
        assert [body for marker, body in jpeg_segments(data) if marker == 0xFE] == [
            b"Family at the lake",
            long[:65_533],
        ]

    @pytest.mark.parametrize(
        ("comment", "text"),
        [(b"lake", "lake"), ("Am Zürichsee".encode(), "Am Zürichsee"), (b"caf\xe9", "caf\xe9")],
    )
    def test_between_jpeg_and_png(self, comment, text):
        data, notes = enlarged(jpeg(comment=comment), "png")
        assert pillow(data).text == {"Comment": text}
        again, _ = enlarged(data, "jpeg")
        assert pillow(again).info["comment"].decode() == text
        assert notes == []

    def test_other_formats_say_so(self):
        assert "the comment" in enlarged(jpeg(comment=b"lake"), "webp")[1][0]

    @pytest.mark.parametrize("frames", [1, 3])
    @pytest.mark.parametrize("comment", [b"Family at the lake", b"b" * 700])
    def test_of_gif(self, comment, frames):
        data = gif(comment, frames)
        assert comment == pillow(enlarged(data, "jpeg")[0]).info["comment"]
        assert {"Comment": comment.decode()} == pillow(enlarged(data, "png")[0]).text
        assert any("no place for it: the comment" in note for note in enlarged(data, "webp")[1])

    def test_of_gif_after_the_frames_and_cut_short(self):
        data = gif(b"first", 2)
        after = data[:-1] + b"\x21\xfe\x06second\x01!\0" + data[-1:]
        source = OpenSource("a.gif", len(after), data=after)
        assert gif_comments(source, ImageLimits()) == (b"first", b"second!")
        for end in range(len(after)):
            cut = gif_comments(OpenSource("a.gif", end, data=after[:end]), ImageLimits())
            assert len(cut) <= 2
        assert gif_comments(source, replace(ImageLimits(), max_metadata_bytes=8)) == (b"first",)


class TestIptc:
    def check(self, data: bytes) -> None:
        record = iptc_of(data)
        assert (record[2, 5], record[2, 25]) == (b"Lake", b"water")

    @pytest.mark.parametrize("format", ["jpeg", "tiff"])
    def test_from_jpeg(self, format):
        source = jpeg(segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, RECORD)))
        data, notes = enlarged(source, format)
        self.check(data)
        assert notes == []

    def test_through_png(self):
        source = jpeg(segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, RECORD)))
        png, _ = enlarged(source, "png")
        raw = bytes.fromhex("".join(pillow(png).text["Raw profile type iptc"].split()[2:]))
        assert raw == resource(0x0404, RECORD)
        data, _ = enlarged(png, "jpeg")
        self.check(data)

    @pytest.mark.parametrize("format", ["jpeg", "tiff"])
    @pytest.mark.parametrize(
        "tag", [(33723, 7, len(RECORD), RECORD), (34377, 1, 34, resource(0x0404, RECORD))]
    )
    def test_from_tiff(self, format, tag):
        data, _ = enlarged(tagged_tiff((tag[0], tag[1], len(tag[3]), tag[3])), format)
        self.check(data)

    def test_previews_are_removed(self):
        preview = resource(0x040C, b"\xff\xd8 the old picture")
        source = jpeg(segment(0xED, b"Photoshop 3.0\0" + preview + resource(0x0404, RECORD)))
        data, _ = enlarged(source, "jpeg")
        self.check(data)
        assert b"the old picture" not in data

    def test_records_of_several_segments(self):
        large = resource(0x0404, RECORD) + resource(0x0FA0, bytes(100_000))
        parts = [large[:60_000], large[60_000:]]
        source = jpeg(*(segment(0xED, b"Photoshop 3.0\0" + part) for part in parts))
        data, _ = enlarged(source, "jpeg")
        bodies = [body[14:] for marker, body in jpeg_segments(data) if marker == 0xED]
        assert b"".join(bodies) == large

    @pytest.mark.parametrize("format", ["webp", "avif"])
    def test_other_formats_say_so(self, format):
        source = jpeg(segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, RECORD)))
        assert "the IPTC record" in enlarged(source, format)[1][0]


class TestExif:
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_positions_and_resolutions_in_pixels_are_scaled(self, order):
        inner = (
            (0x9214, SHORT, 4, struct.pack(order + "4H", 20, 10, 8, 6)),
            (0xA214, SHORT, 2, struct.pack(order + "2H", 30, 15)),
            (0xA20E, RATIONAL, 1, struct.pack(order + "2I", 4_000, 3)),
            (0xA20F, RATIONAL, 1, struct.pack(order + "2I", 4_294_967_295, 1_000)),
        )
        block = exif_with(order, (0x010F, 2, 4, b"Cam\0"), inner=inner)
        data, _ = enlarged(jpeg(exif=b"Exif\0\0" + block), "jpeg")
        tags = pillow(data).getexif()
        found = tags.get_ifd(0x8769)
        assert tags[0x010F] == "Cam"
        assert found[0x9214] == (40, 20, 16, 12)
        assert found[0xA214] == (60, 30)
        assert float(found[0xA20E]) == pytest.approx(8_000 / 3)
        assert float(found[0xA20F]) == pytest.approx(2 * 4_294_967.295, rel=1e-6)

    def test_positions_in_a_turned_image_are_removed(self):
        inner = ((0x9214, SHORT, 2, struct.pack("<2H", 20, 10)), (0xA001, SHORT, 1, struct.pack("<H", 1)))
        block = exif_with("<", (0x0112, SHORT, 1, struct.pack("<H", 6)), inner=inner)
        data, _ = enlarged(jpeg(exif=b"Exif\0\0" + block), "jpeg")
        tags = pillow(data).getexif()
        assert tags[0x0112] == 1
        assert tags.get_ifd(0x8769) == {0xA001: 1}

    def test_it_may_follow_the_pixels_of_a_png(self):
        block = exif_with("<", (0x0112, SHORT, 1, struct.pack("<H", 6)), (0x010F, 2, 4, b"Cam\0"))
        end = text_png().index(b"IEND") - 4
        data, notes = enlarged(text_png()[:end] + chunk(b"eXIf", block) + text_png()[end:], "jpeg")
        assert notes == ["turned upright (EXIF orientation 6)"]
        assert pillow(data).size == (2 * HEIGHT, 2 * WIDTH)
        assert pillow(data).getexif()[0x010F] == "Cam"

    @pytest.mark.parametrize("kind", [1, LONG])
    def test_the_orientation_may_have_another_type(self, kind):
        inner = ((0x9214, SHORT, 2, struct.pack("<2H", 20, 10)),)
        block = exif_with("<", (0x0112, kind, 1, struct.pack("<I", 6)), inner=inner)
        data, _ = enlarged(jpeg(exif=b"Exif\0\0" + block), "jpeg")
        assert 0x9214 not in pillow(data).getexif().get_ifd(0x8769)

    def test_the_preview_of_windows_is_removed(self):
        block = exif_with(
            "<", (0x010F, 2, 4, b"Cam\0"), (0x501B, 1, 8, b"\xff\xd8old!!!"), (0x8298, 2, 3, b"me\0")
        )
        data, _ = enlarged(jpeg(exif=b"Exif\0\0" + block), "jpeg")
        tags = pillow(data).getexif()
        assert 0x501B not in tags
        assert (tags[0x010F], tags[0x8298]) == ("Cam", "me")

    def test_the_bytes_of_the_thumbnail_are_blank(self):
        first = exif_with("<", (0x010F, 2, 4, b"Cam\0"))
        thumbnail = b"\xff\xd8 the old thumbnail"
        at = len(first) + 2 + 2 * 12 + 4
        second = struct.pack("<HHHIIHHIII", 2, 0x0201, LONG, 1, at, 0x0202, LONG, 1, len(thumbnail), 0)
        link = 8 + 2 + 2 * 12
        block = first[:link] + struct.pack("<I", len(first)) + first[link + 4 :] + second + thumbnail
        data, _ = enlarged(jpeg(exif=b"Exif\0\0" + block), "jpeg")
        assert b"the old thumbnail" not in data
        assert pillow(data).getexif()[0x010F] == "Cam"
        assert pillow(data).getexif().get_ifd(1) == {}

    @pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
    def test_descriptions_survive_in_every_format(self, format):
        block = exif_with(
            "<", (0x010F, 2, 4, b"Cam\0"), (0x8298, 2, 3, b"me\0"), (0x0112, SHORT, 1, b"\x01\0")
        )
        data, _ = enlarged(jpeg(exif=b"Exif\0\0" + block), format)
        tags = pillow(data).getexif()
        assert (tags[0x010F], tags[0x8298]) == ("Cam", "me")

    @pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif"])
    def test_directories_that_link_to_themselves(self, format):
        def linked(at: int) -> bytes:
            link = (0xA005, LONG, 1, struct.pack("<I", at))
            return exif_with("<", (0x010F, 2, 4, b"Cam\0"), link, inner=(link,))

        at = struct.unpack_from("<I", linked(0), linked(0).index(struct.pack("<HH", 0x8769, LONG)) + 8)[0]
        data, _ = enlarged(jpeg(exif=b"Exif\0\0" + linked(at)), format)
        assert pillow(data).getexif()[0x010F] == "Cam"

    def test_only_the_exif_directory_links_to_interoperability(self):
        link = (0xA005, LONG, 1, struct.pack("<I", 8))
        block = exif_with("<", (0x0100, LONG, 1, struct.pack("<I", WIDTH)), inner=(link,))
        data, _ = enlarged(jpeg(exif=b"Exif\0\0" + block), "jpeg")
        assert pillow(data).getexif()[0x0100] == 2 * WIDTH


def saved(kind: str, **options) -> bytes:
    """The photograph by Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, kind, **options)
    return buffer.getvalue()


def dpi_of(data: bytes) -> tuple[float, float] | None:
    stated = pillow(data).info.get("dpi")
    return None if stated is None else tuple(round(float(each)) for each in stated)


class TestPrintResolution:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG", "TIFF"])
    @pytest.mark.parametrize("format", ["png", "jpeg", "tiff"])
    def test_it_is_kept(self, kind, format):
        assert dpi_of(enlarged(saved(kind, dpi=(300, 150)), format)[0]) == (300, 150)

    @pytest.mark.parametrize("format", ["png", "jpeg", "tiff"])
    @pytest.mark.parametrize("has_profile", [False, True])
    def test_none_is_made_up(self, format, has_profile, odd_inputs_dir):
        profile = decode(odd_inputs_dir / "photo_icc_500.png").metadata.icc if has_profile else None
        data, _ = enlarged(saved("PNG", icc_profile=profile), format)
        assert dpi_of(data) is None
        assert pillow(data).info.get("icc_profile") == profile
        assert decode(data).metadata.pixels_per_mm is None
        np.testing.assert_array_equal(decode(data).rgb.shape, doubled().shape)

    def test_none_is_made_up_in_bigtiff_nor_beside_other_tags(self, monkeypatch):
        beside = enlarged(tagged_tiff((315, 2, 4, b"Ann\0")), "tiff")[0]
        assert (tags_of(beside)[296], tags_of(beside)[315]) == (1, "Ann")
        monkeypatch.setattr("sparsesr.image.tiff_tags._BIG_ABOVE_BYTES", 0)
        assert tags_of(enlarged(text_png(), "tiff")[0])[296] == 1

    @pytest.mark.parametrize("phys", [struct.pack(">IIB", 2, 1, 0), struct.pack(">IIB", 0, 0, 1), b"ab"])
    def test_a_png_may_state_no_size(self, phys):
        try:
            metadata = decode(text_png((b"pHYs", phys))).metadata
        except InputError:
            assert phys == b"ab"
        else:
            assert metadata.pixels_per_mm is None

    @pytest.mark.parametrize("kind", ["PNG", "JPEG"])
    @pytest.mark.parametrize("orientation", [3, 6])
    def test_it_is_turned_with_the_image(self, kind, orientation):
        exif = Image.Exif()
        exif[0x0112], exif[0x011A], exif[0x011B], exif[0x0128] = orientation, 300, 150, 2
        data, _ = enlarged(saved(kind, dpi=(300, 150), exif=exif), "jpeg")
        expected = (150, 300) if orientation == 6 else (300, 150)
        assert dpi_of(data) == expected
        assert (pillow(data).getexif()[0x011A], pillow(data).getexif()[0x011B]) == expected

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
    @pytest.mark.parametrize("unit", [2, 3, 1])
    def test_that_of_exif_counts_where_the_format_has_no_other(self, kind, unit):
        exif = Image.Exif()
        exif[0x011A], exif[0x011B], exif[0x0128] = 300, 150, unit
        per_mm = {1: None, 2: (300 / 25.4, 150 / 25.4), 3: (30, 15)}[unit]
        found = decode(saved(kind, exif=exif)).metadata.pixels_per_mm
        assert found == (per_mm and pytest.approx(per_mm))

    @pytest.mark.parametrize("format", ["png", "jpeg", "tiff"])
    def test_an_absurd_one_is_none(self, format, capfd):
        absurd = (
            tagged_tiff(resolution=(2**32 - 1, 1), software=False),
            text_png((b"pHYs", struct.pack(">IIB", 2**32 - 1, 9, 1))),
        )
        for source in absurd:
            assert dpi_of(enlarged(source, format)[0]) is None
        assert capfd.readouterr().err == ""


class TestTiff:
    def test_positions_in_a_turned_image_are_removed(self):
        data = tagged_tiff((274, SHORT, 1, 6), (65_001, LONG, 1, 0))
        entry = struct.pack("<HHI", 65_001, LONG, 1)
        data = data.replace(entry + bytes(4), struct.pack("<HHII", 0x8769, LONG, 1, len(data)))
        subject = struct.pack("<HHI2H", 0x9214, SHORT, 2, 20, 10)
        iso = struct.pack("<HHIHH", 0x8827, SHORT, 1, 100, 0)
        data += struct.pack("<H", 2) + iso + subject + bytes(4)
        assert dict(pillow(data).getexif().get_ifd(0x8769)) == {0x8827: 100, 0x9214: (20, 10)}
        assert dict(pillow(enlarged(data, "jpeg")[0]).getexif().get_ifd(0x8769)) == {0x8827: 100}

    @pytest.mark.parametrize("bigtiff", [False, True])
    def test_cielab_of_8_bits_keeps_all_too(self, bigtiff):
        xmp = packet(TITLE)
        options = {"photometric": "cielab", "resolution": (300, 150), "resolutionunit": 2, "bigtiff": bigtiff}
        metadata = decode(tagged_tiff((700, 1, len(xmp), xmp), **options)).metadata
        assert metadata.xmp == xmp
        assert metadata.pixels_per_mm == pytest.approx((300 / 25.4, 150 / 25.4))

    def test_large_layers_and_records_are_named_too(self):
        large = 2 << 20
        layers, record = (37_724, 7, large, bytes(large)), resource(0x0BBB, bytes(large))
        _, notes = enlarged(tagged_tiff(layers, (34_377, 7, len(record), record)), "tiff")
        assert notes == ["left out: the layers of Photoshop, TIFF tags that are damaged or too large (34377)"]

    def test_descriptive_tags_survive(self):
        source = tagged_tiff((269, 2, 5, b"scan\0"), (316, 2, 5, b"host\0"), description="At the lake")
        tags = tags_of(enlarged(source, "tiff")[0])
        assert (tags[269], tags[270], tags[316]) == ("scan", "At the lake", "host")

    @pytest.mark.parametrize(
        ("description", "what"),
        [
            ('{"shape": [40, 56, 3]}', "an array (tifffile)"),
            ("ImageJ=1.53\nimages=5\nslices=5\n", "a stack (ImageJ)"),
            ('<?xml version="1.0"?><OME xmlns="x"><Pixels SizeX="56"/></OME>', "OME-XML"),
        ],
    )
    def test_descriptions_of_the_old_size_are_removed(self, description, what):
        data, notes = enlarged(tagged_tiff(description=description), "tiff")
        assert 270 not in tags_of(data)
        assert what in notes[0]

    def test_bigtiff_is_read_alike(self):
        tags = (315, 2, 4, b"Ann\0"), (269, 2, 5, b"scan\0")
        classic, big = (decode(tagged_tiff(*tags, bigtiff=each)).metadata for each in (False, True))
        assert classic.exif == big.exif is not None
        assert tags_of(enlarged(tagged_tiff(*tags, bigtiff=True), "tiff")[0])[315] == "Ann"

    def test_results_in_bigtiff_say_what_they_lack(self, monkeypatch):
        monkeypatch.setattr("sparsesr.image.tiff_tags._BIG_ABOVE_BYTES", 0)
        _, notes = enlarged(tagged_tiff((315, 2, 4, b"Ann\0")), "tiff")
        assert "left out, because the result is a BigTIFF: EXIF" in notes

    def test_unknown_private_tags_and_layers_are_named(self):
        _, notes = enlarged(tagged_tiff((50_900, 1, 5, b"hello"), (37_724, 7, 8, b"Adobe Ph")), "tiff")
        assert notes == ["left out: the layers of Photoshop, TIFF tags of unknown meaning (50900)"]


class TestStrip:
    @pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
    def test_all_but_the_profile_is_left_out(self, format, odd_inputs_dir):
        profile = decode(odd_inputs_dir / "photo_icc_500.png").metadata.icc
        source = jpeg(
            segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, RECORD)),
            exif=b"Exif\0\0" + exif_with("<", (0x010F, 2, 4, b"Cam\0")),
            xmp=packet(TITLE),
            comment=b"a comment",
            icc_profile=profile,
            dpi=(300, 300),
        )
        data, notes = enlarged(source, format, strip=True)
        image = pillow(data)
        assert image.info["icc_profile"] == profile
        for secret in (b"Cam", b"At the lake", b"a comment", b"water", b"water".hex().encode()):
            assert secret not in data
        assert 0x010F not in image.getexif()
        assert round(image.info.get("dpi", (72, 72))[0]) == 72
        assert notes == []

    def test_colours_that_png_states_are_kept(self):
        data, _ = enlarged(text_png((b"sRGB", b"\0"), (b"tEXt", b"Author\0me")), "png", strip=True)
        assert [kind for kind, _ in png_chunks(data) if kind in (b"sRGB", b"tEXt")] == [b"sRGB"]


class TestWhatElseAFileHolds:
    def test_the_second_picture_of_a_stereo_camera(self):
        buffer, image = io.BytesIO(), Image.fromarray(PHOTO)
        image.save(buffer, "MPO", save_all=True, append_images=[image])
        data, notes = enlarged(buffer.getvalue(), "jpeg")
        assert notes == ["left out: another picture in the file (a stereo view, gain map or preview)"]
        assert b"MPF\0" not in data

    def test_a_real_gain_map(self, odd_inputs_dir):
        decoded = decode(odd_inputs_dir / "ultra_hdr.jpg")
        notes = [note for note in decoded.notes if "left out" in note]
        assert len(notes) == 1 and "HDR gain map" in notes[0]
        assert b"hdrgm:" not in (decoded.metadata.xmp or b"")

    def test_content_credentials(self):
        data, notes = enlarged(jpeg(segment(0xEB, b"JP\0\0\0\0\0\1\0\0\0\0jumbjumd c2pa")), "jpeg")
        assert b"c2pa" not in data and "C2PA" in notes[0]


class TestWebp:
    @pytest.mark.parametrize(
        "form", [{"lossless": True}, {"lossless": True, "exif": b"II*\0\x08\0\0\0\0\0\0\0\0\0"}]
    )
    def test_without_loss_stays_without(self, form):
        data, _ = enlarged(webp(**form), "webp")
        np.testing.assert_array_equal(np.asarray(pillow(data).convert("RGB")), doubled())
        lossy, _ = enlarged(webp(**form), "webp", quality=50)
        assert b"VP8L" in data and b"VP8L" not in lossy

    def test_with_loss_stays_with(self):
        data, _ = enlarged(webp(quality=80), "webp")
        assert b"VP8L" not in data[:200]


@pytest.mark.parametrize("format", ["webp", "avif"])
@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_is_exact(format, alpha):
    decoded = decode(text_png())
    plane = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 256).astype(np.uint8) if alpha else None
    options = EncodeOptions(lossless=True)
    data = encode(decoded.with_pixels(PHOTO, plane), None, format=format, options=options).data
    got = np.asarray(pillow(data).convert("RGBA"))
    np.testing.assert_array_equal(got[..., :3], PHOTO)
    np.testing.assert_array_equal(got[..., 3], 255 if plane is None else plane)
