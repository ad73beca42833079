from __future__ import annotations

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sparsesr.errors import InputError, LimitError, UsageError
from sparsesr.image import exif, xmp
from sparsesr.image.alpha import upscale_alpha
from sparsesr.image.decode import decode
from sparsesr.image.decoded_image import DecodedImage, Metadata
from sparsesr.image.encode import EncodeOptions, encode
from sparsesr.image.resize import imresize
from sparsesr.image.savers import SAVERS, Prepared
from sparsesr.image.vips import image_over


def random_image(dtype=np.uint8, alpha=False, **options) -> DecodedImage:
    samples = np.random.default_rng(4).integers(0, np.iinfo(dtype).max + 1, (12, 17, 4), dtype=dtype)
    bits = np.dtype(dtype).itemsize * 8
    return DecodedImage(
        np.ascontiguousarray(samples[..., :3]),
        samples[..., 3].copy() if alpha else None,
        bits=bits,
        **options,
    )


def exif_block(order: str = "<") -> bytes:
    """Camera name, orientation 6, thumbnail directory, EXIF directory with sizes and a maker note."""
    note = b"maker note, whose inner offsets nobody knows"
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    main = struct.pack(order + "H", 3)
    main += struct.pack(order + "HHI4s", 0x010F, 2, 4, b"Cam\0")
    main += struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0)
    main += struct.pack(order + "HHII", 0x8769, 4, 1, 50)
    main += struct.pack(order + "I", 92)
    inner = struct.pack(order + "H", 3)
    inner += struct.pack(order + "HHII", 0x927C, 7, len(note), 98)
    inner += struct.pack(order + "HHIHH", 0xA002, 3, 1, 17, 0)
    inner += struct.pack(order + "HHIHH", 0xA003, 3, 1, 12, 0)
    block = start + main + inner + bytes(4)
    assert len(block) == 92
    return block + struct.pack(order + "HI", 0, 0) + note


class TestMetadata:
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_exif_update_changes_only_outdated_tags(self, order):
        before = exif_block(order)
        after = exif.updated(before, 24, 70_000)
        assert exif.orientation(before) == 6
        assert exif.orientation(after) == 1
        assert len(after) == len(before)
        with Image.open(io.BytesIO(encode(random_image(), None, format="png").data)) as image:
            tags = image.getexif()
            tags.load(after)
            assert tags[0x010F] == "Cam"
            assert tags.get_ifd(0x8769)[0xA002] == 70_000
            assert tags.get_ifd(0x8769)[0xA003] == 24
            assert tags.get_ifd(0x8769)[0x927C].startswith(b"maker note")
            assert tags.get_ifd(1) == {}

    @pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("alpha", [False, True])
    def test_exif_survives_byte_for_byte(self, format, order, alpha):
        block = exif.updated(exif_block(order), 12, 17)
        packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
        decoded = random_image(alpha=alpha, metadata=Metadata(exif=block, xmp=packet))
        again = decode(encode(decoded, None, format=format).data).metadata
        assert again.exif == block
        assert again.xmp == packet

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_exif_in_tiff(self, order):
        decoded = random_image(metadata=Metadata(exif=exif_block(order)))
        data = encode(decoded, None, format="tiff").data
        with Image.open(io.BytesIO(data)) as image:
            tags = image.getexif()
            assert tags[0x010F] == "Cam"
            assert tags.get_ifd(0x8769)[0xA002] == 17
            assert tags.get_ifd(0x8769)[0x927C].startswith(b"maker note")
            np.testing.assert_array_equal(np.asarray(image), decoded.rgb)
        again = decode(data)
        assert again.notes == []
        second = encode(again, None, format="jpeg").data
        with Image.open(io.BytesIO(second)) as image:
            assert image.getexif()[0x010F] == "Cam"

    def test_too_large_exif_is_left_out_of_jpeg(self):
        block = exif_block() + bytes(70_000)
        encoded = encode(random_image(metadata=Metadata(exif=block)), None, format="jpeg")
        assert any("EXIF left out" in note for note in encoded.notes)
        assert decode(encoded.data).metadata.exif is None

    def test_hostile_exif_is_harmless(self):
        block = bytearray(exif_block())
        rng = np.random.default_rng(0)
        for _ in range(300):
            block[rng.integers(4, len(block))] = rng.integers(0, 256)
            exif.updated(bytes(block), 5, 5)
            encode(random_image(metadata=Metadata(exif=bytes(block))), None, format="tiff")

    def test_xmp_sizes(self):
        packet = b"<a tiff:Orientation='%d' tiff:ImageWidth=\"%d\">"
        packet += b"<exif:PixelYDimension>%d</exif:PixelYDimension></a>"
        assert xmp.updated(packet % (6, 10, 5), 9, 20) == packet % (1, 20, 9)

    def test_real_photograph(self, odd_inputs_dir):
        decoded = decode(odd_inputs_dir / "exif_rot6_landscape.jpg")
        for format in ("jpeg", "png", "webp"):
            with Image.open(io.BytesIO(encode(decoded, None, format=format).data)) as image:
                assert image.getexif().get(0x0112) == 1
                assert image.size == (1800, 1200)

    @pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
    def test_profile_is_identical(self, odd_inputs_dir, format):
        for name in ("icc_big_profile.jpg", "icc_p3.png"):
            whole = decode(odd_inputs_dir / name)
            corner = whole.with_pixels(np.ascontiguousarray(whole.rgb[:40, :40]), None)
            assert decode(encode(corner, None, format=format).data).metadata.icc == whole.metadata.icc

    def test_profile_of_another_kind_is_left_out(self, odd_inputs_dir):
        icc = decode(odd_inputs_dir / "icc_p3.png").metadata.icc
        encoded = encode(random_image(layout="grey", metadata=Metadata(icc=icc)), None, format="png")
        assert any("profile left out" in note for note in encoded.notes)
        assert decode(encoded.data).metadata.icc is None

    def test_png_gamma_is_repeated(self, odd_inputs_dir):
        decoded = decode(odd_inputs_dir / "exif_orientation.png")
        assert decoded.metadata.png_colour[4:8] == b"gAMA"
        with Image.open(io.BytesIO(encode(decoded, None, format="png").data)) as image:
            assert image.info["gamma"] == 0.45455

    def test_print_resolution_survives(self):
        decoded = random_image(metadata=Metadata(pixels_per_mm=(300 / 25.4, 300 / 25.4)))
        for format in ("jpeg", "tiff", "png"):
            with Image.open(io.BytesIO(encode(decoded, None, format=format).data)) as image:
                assert image.info["dpi"][0] == pytest.approx(300, abs=1)


class TestSamples:
    def test_jpeg_has_no_chroma_subsampling_and_quality_95(self):
        with Image.open(io.BytesIO(encode(random_image(), None, format="jpeg").data)) as image:
            assert [component[1:3] for component in image.layer] == [(1, 1)] * 3
            assert image.quantization[0][0] <= 2
        small = encode(random_image(), None, format="jpeg", options=EncodeOptions(quality=30))
        assert small.size_bytes < encode(random_image(), None, format="jpeg").size_bytes

    def test_transparency_is_composited_on_white(self):
        decoded = random_image(alpha=True)
        decoded.rgb[:] = 0
        encoded = encode(decoded, None, format="jpeg", options=EncodeOptions(quality=100))
        expected = 255 - decoded.alpha.astype(float)
        assert "composited on white" in encoded.notes[0]
        assert np.abs(decode(encoded.data).rgb.mean(2) - expected).mean() < 2

    @pytest.mark.parametrize("format", ["jpeg", "webp"])
    def test_16_bits_are_rounded_if_the_format_has_8(self, format):
        decoded = random_image(np.uint16)
        encoded = encode(decoded, None, format=format)
        assert "16 bits reduced" in encoded.notes[0]
        assert decode(encoded.data).bits == 8

    def test_16_bits_become_12_in_avif(self):
        decoded = random_image(np.uint16, alpha=True)
        encoded = encode(decoded, None, format="avif", options=EncodeOptions(lossless=True))
        assert "16 bits reduced to 12" in encoded.notes[0]
        again = decode(encoded.data)
        assert np.abs(again.rgb.astype(int) - decoded.rgb).max() <= 16
        assert np.abs(again.alpha.astype(int) - decoded.alpha).max() <= 16
        narrow = encode(decoded, None, format="avif", options=EncodeOptions(depth=8))
        assert narrow.notes == [] and decode(narrow.data).bits == 8

    def test_avif_has_no_chroma_subsampling(self):
        """Colours that alternate from pixel to pixel survive."""
        columns = np.zeros((32, 32, 3), np.uint8)
        columns[:, ::2, 0], columns[:, 1::2, 2] = 255, 255
        again = decode(encode(DecodedImage(columns), None, format="avif").data)
        assert np.abs(again.rgb.astype(int) - columns).mean() < 4

    @pytest.mark.parametrize("format", ["png", "tiff"])
    def test_depth_can_be_chosen(self, format):
        wide = random_image(np.uint16, alpha=True)
        again = decode(encode(wide, None, format=format, options=EncodeOptions(depth=8)).data)
        np.testing.assert_array_equal(again.rgb, np.floor(wide.rgb / 257 + 0.5))
        np.testing.assert_array_equal(again.alpha, np.floor(wide.alpha / 257 + 0.5))
        narrow = random_image()
        np.testing.assert_array_equal(
            decode(encode(narrow, None, format=format, options=EncodeOptions(depth=16)).data).rgb,
            narrow.rgb.astype(np.uint16) * 257,
        )

    @pytest.mark.parametrize("name", ["rgb16_tmshre.png", "rgb16_pixel2.png"])
    def test_linear_light_comes_back(self, odd_inputs_dir, name):
        """Decoded samples are gamma-coded; written samples equal those of the file to one step in 65536."""
        import pyvips

        stored = pyvips.Image.new_from_file(str(odd_inputs_dir / name)).numpy()
        decoded = decode(odd_inputs_dir / name)
        assert decoded.transfer == "linear"
        assert decoded.rgb.mean() > stored.mean() * 1.2
        data = encode(decoded, None, format="png").data
        written = pyvips.Image.new_from_buffer(data, "").numpy()
        assert np.abs(written.astype(int) - stored).max() <= 1

    def test_8_bit_linear_light_is_processed_in_16_bits(self, odd_inputs_dir):
        from sparsesr.image.vips import image_over, set_blob

        icc = decode(odd_inputs_dir / "rgb16_tmshre.png").metadata.icc
        image = image_over(random_image(alpha=True).rgb).copy(interpretation="srgb").bandjoin(77)
        image = image.copy()
        set_blob(image, "icc-profile-data", icc)
        data = bytes(image.pngsave_buffer())
        decoded = decode(data)
        assert (decoded.bits, decoded.rgb.dtype, decoded.alpha[0, 0]) == (8, np.uint16, 77 * 257)
        again = encode(decoded, None, format="png").data
        np.testing.assert_array_equal(decode(again).rgb, decoded.rgb)

    @pytest.mark.parametrize(
        "name", ["icc_p3.png", "photo_icc_500.png", "gray_photo.png", "icc_big_profile.jpg"]
    )
    def test_upscaling_does_not_shift_colours(self, odd_inputs_dir, name):
        decoded = decode(odd_inputs_dir / name)
        alpha = None if decoded.alpha is None else upscale_alpha(decoded.alpha, 2)
        larger = decoded.with_pixels(imresize(decoded.rgb, 2), alpha)
        again = decode(encode(larger, None, format="png").data)
        assert again.rgb.shape == (decoded.height * 2, decoded.width * 2, 3)
        shift = again.rgb.mean((0, 1), dtype=float) - decoded.rgb.mean((0, 1), dtype=float)
        assert np.abs(shift).max() <= 0.5
        assert again.metadata.icc == decoded.metadata.icc

    def test_rgb_and_alpha_must_match(self):
        decoded = random_image()
        with pytest.raises(ValueError, match="rgb must be"):
            decoded.with_pixels(decoded.rgb.astype(float), None)
        with pytest.raises(ValueError, match="alpha is"):
            decoded.with_pixels(decoded.rgb, np.zeros((3, 3), np.uint8))


@pytest.mark.parametrize(
    ("format", "height", "width"),
    [
        *((format, 1500, 2000) for format in ("jpeg", "png", "webp", "tiff")),
        ("avif", 400, 600),  # noise takes 15 s per megapixel
    ],
)
def test_memory_stays_within_working_bytes(tmp_path, format, height, width):
    pytest.importorskip("resource")
    code = (
        "import pathlib, resource, sys\n"
        "import numpy as np\n"
        "from sparsesr.image.encode import encode, working_bytes\n"
        "from sparsesr.image.decoded_image import DecodedImage\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "make = lambda h, w: DecodedImage(np.random.default_rng(0).integers(0, 256, (h, w, 3), dtype=np.uint8))\n"
        "encode(make(8, 8), None, format=sys.argv[1])\n"
        "height, width = map(int, sys.argv[3:])\n"
        "decoded = make(height, width)\n"
        "before = peak()\n"
        "encode(decoded, pathlib.Path(sys.argv[2]), format=sys.argv[1])\n"
        "print((peak() - before) / working_bytes(sys.argv[1], height, width))\n"
    )
    command = [sys.executable, "-c", code, format, str(tmp_path / "out"), str(height), str(width)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 1


class TestArguments:
    def test_the_format_must_be_known(self, tmp_path):
        decoded = random_image()
        for destination, format in (
            (None, None),
            (None, "gif"),
            (tmp_path / "a.gif", None),
            (tmp_path / "a", None),
        ):
            with pytest.raises(UsageError, match="format"):
                encode(decoded, destination, format=format)
        for options in ({"quality": 0}, {"quality": 101}, {"depth": 12}):
            with pytest.raises(UsageError, match="must be"):
                EncodeOptions(**options)
        with pytest.raises(UsageError, match="no quality; leave out lossless or quality"):
            EncodeOptions(quality=90, lossless=True)

    def test_jpeg_cannot_be_lossless(self, tmp_path):
        with pytest.raises(UsageError, match="JPEG always loses something; leave out lossless or choose"):
            encode(random_image(), tmp_path / "a.jpg", options=EncodeOptions(lossless=True))
        assert not (tmp_path / "a.jpg").exists()

    @pytest.mark.parametrize("format", ["png", "tiff"])
    def test_lossless_is_nothing_new_for_formats_without_loss(self, format):
        options = EncodeOptions(lossless=True)
        again = decode(encode(random_image(), None, format=format, options=options).data)
        np.testing.assert_array_equal(again.rgb, random_image().rgb)

    def test_a_format_that_libvips_cannot_write_is_refused_by_name(self, monkeypatch, tmp_path):
        monkeypatch.setattr("sparsesr.image.formats.is_available", lambda form: form.kind != "jxl")
        for where, format in ((None, "jxl"), (tmp_path / "a.jxl", None)):
            with pytest.raises(
                UsageError, match=r"cannot write JPEG XL; use .*install a libvips with JPEG XL"
            ):
                encode(random_image(), where, format=format)

    def test_an_explicit_format_overrides_the_extension(self, tmp_path):
        encode(random_image(), tmp_path / "a.dat", format="JPG")
        assert (tmp_path / "a.dat").read_bytes()[:3] == b"\xff\xd8\xff"

    @pytest.mark.parametrize(("format", "side"), [("webp", 16_384), ("jpeg", 65_501), ("avif", 16_385)])
    def test_format_limits(self, format, side):
        decoded = DecodedImage(np.zeros((1, side, 3), np.uint8))
        with pytest.raises(LimitError, match="px a side"):
            encode(decoded, None, format=format)
        fits = DecodedImage(np.zeros((1, side - 1, 3), np.uint8))
        assert encode(fits, None, format=format).size_bytes > 0

    def test_failures_in_the_middle_of_writing_are_not_hidden(self, capfd):
        closed = io.BytesIO()
        closed.close()  # as after an interruption that the encoder notices late
        pixels = random_image().rgb
        with pytest.raises(ValueError, match="closed file"):
            SAVERS["jpeg"](Prepared(image_over(pixels), Metadata(), 95, False, 8, [pixels]), closed)
        assert capfd.readouterr().err == ""

    def test_a_failing_encoder_is_an_input_error(self, monkeypatch):
        import pyvips

        from sparsesr.image import savers

        def fail(*_args):
            raise pyvips.Error("unable to call pngsave_target\n  broken")

        monkeypatch.setitem(savers.SAVERS, "png", fail)
        with pytest.raises(InputError, match="cannot be encoded"):
            encode(random_image(), None, format="png")
