"""Generated inputs: file system errors, bombs, depths, orientations, profiles, damaged data."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from image.made_files import PHOTO, tiff, with_short
from sparsesr.errors import InputError, LimitError, SparsesrError
from sparsesr.image import decode as decode_module
from sparsesr.image.decode import decode
from sparsesr.image.orientation import upright
from sparsesr.image.png_bytes import chunk
from sparsesr.image.vips import image_over
from sparsesr.limits import ImageLimits


def png(height: int, width: int, *chunks: bytes, body: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", header, *chunks, chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")]
    )


def random_rgb(dtype=np.uint8, bands=3) -> np.ndarray:
    return np.random.default_rng(5).integers(0, np.iinfo(dtype).max + 1, (9, 14, bands), dtype=dtype)


def encoded(pixels: np.ndarray, suffix: str, **options) -> bytes:
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    wide = pixels.dtype == np.uint16
    names = ("grey16", "rgb16") if wide else ("b-w", "srgb")
    image = image_over(pixels).copy(interpretation=names[bands >= 3])
    return bytes(image.write_to_buffer(suffix, **options))


class TestFileErrors:
    def message(self, path) -> str:
        with pytest.raises(InputError) as caught:
            decode(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_each_has_its_own_message(self, tmp_path):
        empty = tmp_path / "empty.png"
        empty.touch()
        assert "no such file" in self.message(tmp_path / "missing.png")
        assert "is a folder" in self.message(tmp_path)
        assert "file is empty" in self.message(empty)
        assert "cannot be opened" in self.message(empty / "below_a_file.png")
        assert "cannot be opened" in self.message(tmp_path / ("x" * 300))
        assert "cannot be opened" in self.message(tmp_path / "a\0b")

    def test_a_pipe_is_refused_without_blocking(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        assert "not a regular file" in self.message(tmp_path / "pipe")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
    def test_no_permission(self, tmp_path):
        path = tmp_path / "secret.png"
        path.write_bytes(png(1, 1, body=b"\0\0"))
        path.chmod(0)
        assert "no permission" in self.message(path)

    def test_no_permission_as_reported_by_the_system(self, tmp_path, monkeypatch):
        def refuse(*_args):
            raise PermissionError(13, "Permission denied")

        path = tmp_path / "secret.png"
        path.write_bytes(b"x")
        monkeypatch.setattr(os, "open", refuse)
        assert "no permission" in self.message(path)

    @pytest.mark.parametrize("reads", [0, 1])
    def test_a_failing_disk(self, reads, tmp_path, monkeypatch):
        def fail(*arguments):
            left.append(None)
            if len(left) > reads:
                raise OSError(5, "Input/output error")
            return pread(*arguments)

        left, pread = [], os.pread
        path = tmp_path / "a.png"
        path.write_bytes(png(1, 1, body=b"\0\0"))
        monkeypatch.setattr(os, "pread", fail)
        assert "a.png: cannot be read (Input/output error); " in self.message(path)

    def test_a_disk_that_fails_under_libvips(self, tmp_path, monkeypatch):
        def fail(*_arguments):
            monkeypatch.setattr(os, "pread", refuse)
            raise pyvips.Error("unable to read", "read error")

        def refuse(*_arguments):
            raise OSError(5, "Input/output error")

        path = tmp_path / "a.png"
        path.write_bytes(png(1, 1, body=b"\0\0"))
        monkeypatch.setattr("sparsesr.image.vips.pixels_of", fail)
        assert "cannot be read (Input/output error)" in self.message(path)

    @pytest.mark.parametrize(
        "data",
        [
            b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**64 - 1) + bytes(40),
            b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63 - 2) + bytes(40),
            b"\0\0\0\x14ftypavif\0\0\0\0avif" + struct.pack(">I4sQ", 1, b"free", 2**64 - 16) + bytes(40),
        ],
    )
    def test_places_that_no_file_can_have(self, data, tmp_path):
        path = tmp_path / "a"
        path.write_bytes(data)
        assert "damaged" in self.message(path)

    def test_any_file_name(self, tmp_path):
        path = tmp_path / os.fsdecode(b"\xff\xfe \xc3\xa4 \n name.png")
        path.write_bytes(png(1, 1, body=b"\0\x07"))
        assert decode(path).rgb.tolist() == [[[7, 7, 7]]]
        path.write_bytes(b"nonsense")
        assert "is not an image" in self.message(path)

    def test_foreign_formats_are_named(self):
        for data, word in (
            (b"%PDF-1.4", "PDF"),
            (b"<svg xmlns=", "SVG"),
            (b"8BPS\0\1", "PSD"),
            (b"PK\3\4", "ZIP"),
        ):
            with pytest.raises(InputError, match=word):
                decode(data)


class TestBombs:
    @pytest.fixture(autouse=True)
    def no_pixel_is_decoded(self, monkeypatch):
        def fail(*_args):
            raise AssertionError("pixels were decoded")

        monkeypatch.setattr(decode_module.vips, "pixels_of", fail)

    def refuse(self, data: bytes, words: str, limits: ImageLimits = ImageLimits()):  # noqa: B008
        with pytest.raises(LimitError, match=words):
            decode(data, limits)

    def test_png_header(self):
        self.refuse(png(65_000, 65_000), "4225 megapixels")
        self.refuse(png(2, 2_000_000_000), "px a side")

    def test_jpeg_header(self):
        data = bytearray(encoded(random_rgb(), ".jpg"))
        at = data.index(b"\xff\xc0") + 5
        struct.pack_into(">HH", data, at, 65_000, 65_000)
        self.refuse(bytes(data), "megapixels")

    @pytest.mark.parametrize("size", [(60_000, 60_000), (4_000_000_000, 1)])
    def test_tiff_header(self, size):
        entries = [(256, 4, size[1]), (257, 4, size[0]), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
        entries += [(277, 3, 1), (278, 4, size[0]), (279, 4, 100)]
        body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
        data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + bytes(104)
        with pytest.raises((LimitError, InputError)):
            decode(data)

    def test_gif_canvas(self):
        self.refuse(b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(50), "3600 megapixels")

    def test_bmp_and_pnm_headers(self):
        self.refuse(
            b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 50_000, 50_000, 1, 24, 0) + bytes(80), "megapixels"
        )
        self.refuse(b"P6 50000 50000 255\n", "megapixels")

    def test_webp_canvas(self):
        data = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2
        with pytest.raises((LimitError, InputError)):
            decode(data)

    def test_inflating_text(self):
        text = chunk(b"zTXt", b"big\0\0" + zlib.compress(bytes(3_000_000), 9))
        self.refuse(png(1, 1, text), "inflates to over 1 MiB")
        international = chunk(b"iTXt", b"big\0\1\0en\0big\0" + zlib.compress(bytes(3_000_000), 9))
        self.refuse(png(1, 1, international), "inflates to over 1 MiB")

    def test_inflating_profile(self):
        profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(20_000_000), 9))
        self.refuse(png(1, 1, profile), "inflates to over 16 MiB")

    def test_a_million_text_chunks(self):
        self.refuse(png(1, 1, chunk(b"tEXt", b"a\0b") * 1_000_000), "over 1000 text chunks")

    def test_frames_and_file_size(self, odd_inputs_dir):
        limits = replace(ImageLimits(), max_frames=41)
        with pytest.raises(LimitError, match="42 frames"):
            decode(odd_inputs_dir / "anim_cradle.gif", limits)
        with pytest.raises(LimitError, match="MiB for an input file"):
            decode(odd_inputs_dir / "phone_jolla.jpg", replace(ImageLimits(), max_file_bytes=100))


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_equals_libvips(self, orientation):
        pixels = random_rgb()
        image = image_over(pixels).copy()
        image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        np.testing.assert_array_equal(upright(pixels, orientation), image.autorot().numpy())

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_is_applied_to_a_file(self, orientation):
        pixels = random_rgb()
        image = image_over(pixels).copy(interpretation="srgb")
        image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        decoded = decode(bytes(image.tiffsave_buffer()))
        np.testing.assert_array_equal(decoded.rgb, upright(pixels, orientation))


class TestSamples:
    @pytest.mark.parametrize("suffix", [".png", ".tiff"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("bands", [1, 2, 3, 4])
    def test_all_layouts_and_depths(self, bands, dtype, suffix):
        pixels = random_rgb(dtype, bands)
        decoded = decode(encoded(pixels, suffix))
        assert decoded.layout == ("grey" if bands <= 2 else "rgb")
        np.testing.assert_array_equal(
            decoded.rgb, pixels[..., :1].repeat(3, 2) if bands <= 2 else pixels[..., :3]
        )
        if bands in (2, 4):
            np.testing.assert_array_equal(decoded.alpha, pixels[..., -1])
        else:
            assert decoded.alpha is None

    def test_premultiplied_tiff(self):
        pixels = np.full((4, 4, 4), 200, np.uint8)
        pixels[..., 3] = np.arange(16).reshape(4, 4) * 10 + 100
        decoded = decode(encoded(pixels, ".tiff", premultiply=True))
        np.testing.assert_allclose(decoded.rgb.astype(int)[..., 0], 200, atol=2)

    def test_32_bit_and_float(self):
        wide = np.arange(12, dtype=np.uint32).reshape(3, 4) << 20
        decoded = decode(bytes(image_over(wide).copy(interpretation="b-w").tiffsave_buffer()))
        np.testing.assert_array_equal(decoded.rgb[..., 0], wide >> 16)
        values = np.array([[-1.0, 0.0, 0.5, np.nan, 2.0]], np.float32)[..., None].repeat(3, 2)
        decoded = decode(bytes(image_over(values).copy(interpretation="scrgb").tiffsave_buffer()))
        assert decoded.rgb[0, :, 0].tolist() == [0, 0, 32768, 0, 65535]

    @pytest.mark.parametrize(
        "options", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg", "quality": 95}]
    )
    def test_tiff_in_ycbcr(self, options):
        buffer = io.BytesIO()
        Image.fromarray(PHOTO).convert("YCbCr").save(buffer, "TIFF", **options)
        decoded = decode(buffer.getvalue())
        assert np.abs(decoded.rgb.astype(int) - PHOTO).max() <= 6
        assert decoded.alpha is None

    def test_tiff_in_ycbcr_of_another_range(self):
        red, green, blue = PHOTO.astype(float).transpose(2, 0, 1)  # by BT.709, in the range of video
        luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        blueness, redness = (blue - luma) / 1.8556, (red - luma) / 1.5748
        coded = 16 + luma * 219 / 255, 128 + blueness * 224 / 255, 128 + redness * 224 / 255
        # The tag states which value of chroma means 127; its peak is 127.5.
        reference = (16, 235, *(128, 128 + 112 * 127 / 127.5) * 2)
        tags = (
            (529, 5, 3, (2126, 10_000, 7152, 10_000, 722, 10_000), True),
            (530, 3, 2, (1, 1), True),
            (532, 5, 6, [part for each in reference for part in (round(each * 1000), 1000)], True),
        )
        buffer = io.BytesIO()
        samples = np.round(np.dstack(coded)).astype(np.uint8)
        tifffile.imwrite(buffer, samples, photometric="rgb", extratags=tags, metadata=None)
        decoded = decode(with_short(buffer.getvalue(), 262, 6))
        assert np.abs(decoded.rgb.astype(int) - PHOTO).max() <= 3

    def test_tiff_in_subsampled_ycbcr(self):
        block = bytes([50, 60, 70, 80, 128, 128])  # four values of luma, then chroma
        entries = (
            *((256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 6)),
            *((273, 4, 1, 140), (277, 3, 1, 3), (278, 3, 1, 2), (279, 4, 1, 6), (530, 3, 2, 2 | 2 << 16)),
        )
        directory = struct.pack("<H", len(entries)) + b"".join(
            struct.pack("<HHII", *each) for each in entries
        )
        data = b"II*\0\x08\0\0\0" + directory + bytes(4) + struct.pack("<3H", 8, 8, 8) + block
        decoded = decode(data)
        assert decoded.rgb[..., 1].tolist() == [[50, 60], [70, 80]]
        assert decoded.alpha is None

    def test_unusual_samples_are_refused(self):
        high = np.full((3, 3, 3), 1000, np.float32)
        with pytest.raises(InputError, match="must be in 0 to 1, these reach 1000"):
            decode(bytes(image_over(high).copy(interpretation="scrgb").tiffsave_buffer()))
        unit, whole = np.full((3, 3, 2), 0.5, np.float32), np.full((3, 3, 4), 1 << 31, np.uint32)
        for samples, kind in ((unit, "float grey"), (whole, "32-bit integers")):
            with pytest.raises(InputError, match=f"premultiplied alpha in {kind}"):
                decode(tiff(samples, "1", grey=samples is unit))
        signed = image_over(np.zeros((3, 3), np.int16)).copy(interpretation="b-w")
        with pytest.raises(InputError, match="int16"):
            decode(bytes(signed.tiffsave_buffer()))

    def test_ten_bit_avif_reaches_white(self):
        white = image_over(np.full((16, 16, 3), 65535, np.uint16)).copy(interpretation="rgb16")
        decoded = decode(bytes(white.heifsave_buffer(compression="av1", bitdepth=10, lossless=True)))
        assert decoded.bits == 16
        assert decoded.rgb.min() == 65535

    def test_lab_of_16_bits_and_cmyk_with_alpha(self):
        lab = np.full((4, 5, 3), (60, 20, 30), np.float32)
        labs = image_over(lab).copy(interpretation="lab").colourspace("labs")
        decoded = decode(bytes(labs.tiffsave_buffer()))
        assert decoded.bits == 16
        assert np.abs(decoded.rgb[0, 0] / 257 - (188, 131, 94)).max() < 6
        cmyk = image_over(np.full((4, 5, 4), (0, 255, 255, 0), np.uint8)).copy(interpretation="cmyk")
        red = decode(bytes(cmyk.bandjoin(99).copy(interpretation="cmyk").tiffsave_buffer()))
        assert red.alpha is not None
        assert red.alpha.max() == 99
        assert red.rgb[0, 0, 0] > 200 > 80 > red.rgb[0, 0, 1]

    def test_float_with_alpha(self):
        values = np.full((2, 2, 4), 0.5, np.float32)
        decoded = decode(bytes(image_over(values).copy(interpretation="scrgb").tiffsave_buffer()))
        assert decoded.rgb.max() == 32768
        assert decoded.alpha.max() in (32767, 32768)

    def test_a_damaged_profile_is_left_out(self):
        data = encoded(random_rgb(), ".jpg")
        segment = b"ICC_PROFILE\0\1\1" + b"nonsense" * 40
        decoded = decode(data[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + data[2:])
        assert decoded.metadata.icc is None
        assert "colour profile is damaged" in decoded.notes[0]

    def test_memory_running_out(self, monkeypatch):
        def fail(*_args):
            raise MemoryError

        monkeypatch.setattr(decode_module.vips, "pixels_of", fail)
        with pytest.raises(LimitError, match="not enough memory"):
            decode(encoded(random_rgb(), ".png"))

    def test_avif_orientation_is_applied_once(self):
        image = image_over(random_rgb()).copy(interpretation="srgb")
        image.set_type(pyvips.GValue.gint_type, "orientation", 6)
        decoded = decode(bytes(image.heifsave_buffer(compression="av1", Q=90)))
        assert decoded.rgb.shape == (14, 9, 3)


class TestDamage:
    SUFFIXES = (".jpg", ".png", ".webp", ".tiff", ".gif")

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_every_truncation_is_detected(self, suffix):
        """A file truncated anywhere before its last few bytes is refused, with one line."""
        pixels = np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        data = encoded(pixels, suffix)
        for cut in (*range(1, 40), *np.linspace(40, len(data) - 40, 40).astype(int)):
            with pytest.raises(SparsesrError) as caught:
                decode(data[:cut])
            assert "\n" not in str(caught.value)

    @settings(max_examples=120, deadline=None)
    @given(st.sampled_from(SUFFIXES), st.data())
    def test_flipped_bytes_never_escape_the_error_tree(self, suffix, draw):
        data = bytearray(encoded(random_rgb(), suffix))
        for _ in range(draw.draw(st.integers(1, 6))):
            data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
        try:
            decoded = decode(bytes(data), replace(ImageLimits(), max_pixels=1_000_000))
        except SparsesrError as error:
            assert "\n" not in str(error)
        else:
            assert decoded.rgb.size > 0

    @settings(max_examples=60, deadline=None)
    @given(
        st.sampled_from([b"BM", b"P1 ", b"P3 ", b"P4 3 3 ", b"P6 2 2 ", b"II*\0", b"MM\0*"]),
        st.binary(max_size=200),
    )
    def test_random_bytes_after_a_signature(self, start, noise):
        try:
            decode(start + noise, replace(ImageLimits(), max_pixels=1_000_000))
        except SparsesrError as error:
            assert "\n" not in str(error)
