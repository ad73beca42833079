"""HEIC by an optional package, and its refusal by name without it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from image.made_files import ALPHA, GREY, PHOTO, WIDE, media, stack
from sparsesr.errors import InputError
from sparsesr.image import heic as heic_module
from sparsesr.image.decode import decode
from sparsesr.image.heif_boxes import stated_by_heif
from sparsesr.image.source import in_memory

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def heic(samples: np.ndarray, mode: str | None = None, **info) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    if mode is None:
        image = Image.fromarray(samples)
        image.info.update(info)
        file = pillow_heif.from_pillow(image)
    else:
        height, width = samples.shape[:2]
        file = pillow_heif.from_bytes(mode, (width, height), samples.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, quality=100, chroma=444)
    return buffer.getvalue()


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Acme"
    return exif.tobytes()


def test_colours_and_metadata():
    decoded = decode(heic(PHOTO, icc_profile=SRGB_PROFILE, exif=exif_of(1)))
    assert np.abs(decoded.rgb.astype(int) - PHOTO).max() <= 4
    assert decoded.metadata.icc == SRGB_PROFILE
    assert b"Acme" in decoded.metadata.exif
    assert (decoded.source_format, decoded.bits, decoded.notes) == ("heif", 8, [])


def test_the_primary_image_is_named():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.from_pillow(Image.fromarray(PHOTO[:20, :30]))
    file.add_from_pillow(Image.fromarray(PHOTO))
    for primary, size, note in (
        (0, (20, 30), "the first of 2 pages is used"),
        (1, PHOTO.shape[:2], "page 2 of 2 is used: the file names it as its primary image"),
    ):
        buffer = io.BytesIO()
        file.save(buffer, quality=100, chroma=444, primary_index=primary)
        decoded = decode(buffer.getvalue())
        assert decoded.rgb.shape[:2] == size and decoded.notes == [note]


def test_alpha_and_grey():
    decoded = decode(heic(stack(PHOTO, ALPHA)))
    assert np.abs(decoded.alpha.astype(int) - ALPHA).max() <= 4
    grey = decode(heic(GREY))
    assert grey.layout == "grey"
    assert np.abs(grey.rgb[..., 0].astype(int) - GREY).max() <= 4


def test_ten_bits_reach_white():
    wide = np.where(WIDE > 50_000, 65535, WIDE).astype(np.uint16)
    decoded = decode(heic(wide, "RGB;16"))
    assert decoded.bits == 16
    assert decoded.rgb.max() == 65535
    assert np.abs(decoded.rgb.astype(int) - wide).max() <= 4 * 257


def test_it_is_turned_upright_once():
    pytest.importorskip("pillow_heif").register_heif_opener()
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, "HEIF", quality=100, chroma=444, exif=exif_of(6))
    decoded = decode(buffer.getvalue())
    assert np.abs(decoded.rgb.astype(int) - np.rot90(PHOTO, -1)).max() <= 4


def test_damage():
    data = heic(PHOTO)
    for cut in (60, len(data) // 2, len(data) - 40):
        with pytest.raises(InputError) as caught:
            decode(data[:cut])
        assert "\n" not in str(caught.value)


def test_without_the_package_it_is_refused_by_name(monkeypatch):
    data = heic(PHOTO)
    monkeypatch.setattr(heic_module, "_PACKAGE", "no_such_package")
    with pytest.raises(InputError) as caught:
        decode(data, name="IMG_1.HEIC")
    words = (
        "IMG_1.HEIC: is HEIC (HEVC), which the installed libvips cannot decode; pip install 'sparsesr[heic]'"
    )
    assert words in str(caught.value)


def test_a_file_of_a_brand_only_is_damaged():
    for brand in (b"heic", b"hevc", b"mif1", b"avif"):
        with pytest.raises(InputError, match="HEIF data is"):
            decode(media(brand))


@pytest.mark.parametrize("main", [0, 1])
def test_colours_of_another_image_in_the_file_do_not_count(main):
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.from_pillow(Image.fromarray(PHOTO))
    file.add_from_pillow(Image.fromarray(PHOTO))
    pq = {
        "color_primaries": 9,
        "transfer_characteristics": 16,
        "matrix_coefficients": 9,
        "full_range_flag": 1,
    }
    file[0].info["nclx_profile"], file[1].info["icc_profile"] = pq, SRGB_PROFILE
    buffer = io.BytesIO()
    file.save(buffer, quality=100, chroma=444, primary_index=main, save_nclx_profile=True)
    metadata = decode(buffer.getvalue()).metadata
    assert metadata.icc == (SRGB_PROFILE if main == 1 else None)
    assert metadata.png_colour[8:12] == (b"" if main == 1 else bytes([9, 16, 0, 1]))


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def nclx(transfer: int) -> bytes:
    return box(b"colr", b"nclx", struct.pack(">HHHB", 1, transfer, 6, 128))


@pytest.mark.parametrize("is_wide", [False, True])
def test_colours_of_tiles_are_those_of_the_image(is_wide):
    item, index = ("I", "H") if is_wide else ("H", "B")
    start = bytes([1, 0, 0, 1]) if is_wide else bytes(4)
    # 1: a grid of 2 and 3; 4: another image. Properties: of 4, a size, of 2 and 3.
    owned = ((4, 1), (1, 2), (2, 3), (3, 3))
    associations = b"".join(struct.pack(f">{item}B{index}", owner, 1, at) for owner, at in owned)
    meta = box(
        b"meta",
        bytes(4),
        box(b"pitm", start[:1], bytes(3), struct.pack(f">{item}", 1)),
        box(b"iref", start[:1], bytes(3), box(b"dimg", struct.pack(f">{item}H2{item}", 1, 2, 2, 3))),
        box(
            b"iprp",
            box(b"ipco", nclx(16), box(b"ispe", bytes(12)), nclx(4)),
            box(b"ipma", start, struct.pack(">I", len(owned)), associations),
        ),
    )
    stated = stated_by_heif(in_memory(box(b"ftyp", b"heic", bytes(4)) + meta))
    assert (stated.unusual, stated.curve.gamma) == ("", 2.2)
    for cut in range(len(meta)):
        stated_by_heif(in_memory(meta[:cut]))
