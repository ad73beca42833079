"""Kinds of files that users of image tools have reported trouble with, as one table.

A case is one line: its name, where it was reported, the file, and what decoding must give. To add one, add a line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from image.made_files import (
    ALPHA,
    GREY,
    OPAQUE,
    PHOTO,
    PREMULTIPLIED,
    SELECTION,
    SMALL,
    UNIT,
    WIDE,
    cgbi,
    chunk,
    dng,
    gama,
    inks,
    jpeg,
    media,
    pages,
    planar,
    png,
    raw_photo,
    stack,
    tiff,
    with_short,
    without_tag,
)


@dataclass(frozen=True)
class Refused:
    """An error of one line with these words."""

    words: str


@dataclass(frozen=True)
class Decoded:
    """This image: (H, W) grey or (H, W, 3) colours of the file's depth, words of the notes, and alpha."""

    pixels: np.ndarray
    note: str = ""
    alpha: np.ndarray | None = None
    tolerance: int = 0


@dataclass(frozen=True)
class Case:
    """A file, and its name if that matters."""

    name: str
    source: str
    data: bytes
    expected: Refused | Decoded
    file_name: str = "<data>"


def raw(kind: str) -> Refused:
    """A camera RAW file of this kind."""
    what = "sensor data, not a finished image; develop it to TIFF or JPEG first"
    return Refused(f"is a camera RAW file ({kind}): {what}")


def eight(levels: np.ndarray) -> np.ndarray:
    """Samples of 8 bits."""
    return np.floor(levels * 255 + 0.5).astype(np.uint8)


def sixteen(levels: np.ndarray) -> np.ndarray:
    """Samples of 16 bits."""
    return np.floor(np.float64(levels) * 65535 + 0.5).astype(np.uint16)


def coded(light: np.ndarray) -> np.ndarray:
    """Light in 8 bits, by the curve of IEC 61966-2-1."""
    return eight(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


RAW = "TIFF with data of a colour filter array"
COPY = "first page of the TIFF is a reduced copy (14x10)"
ONE, TWO, THREE = "1 extra channel of", "2 extra channels of", "3 extra channels of"
UNSAID = "does not say what its last channel is"
RANGE = "float samples must be in 0 to 1, these reach 2"
FLOAT = "float samples taken as coded values from 0 to 1"
INVERTED = sixteen(1 - np.float64(UNIT[..., 1]))
GAMMA_1, GAMMA_1_8 = "converted to sRGB from gamma 1,", "converted to sRGB from gamma 1.8,"

CAMERA_RAW = (
    Case("Nikon NEF", "python-pillow/Pillow#6482", raw_photo("NIKON"), raw("Nikon NEF"), "DSC_1.NEF"),
    Case("NEF without its name", "python-pillow/Pillow#6482", raw_photo("NIKON"), raw("Nikon NEF")),
    Case("Sony ARW", "ente/ente#567", raw_photo("SONY"), raw("Sony ARW"), "a.jpg"),
    Case("unknown camera", "bpatrik/pigallery2#300", raw_photo("ACME"), raw(RAW)),
    Case("DNG", "xyb3rt/sxiv#238", dng(), raw("DNG")),
    Case("CR2", "python-pillow/Pillow#5317", b"II*\0\x10\0\0\0CR\2\0" + bytes(90), raw("Canon CR2")),
    Case("CR2 by its name", "RawTherapee/RawTherapee#2790", tiff(PHOTO), raw("Canon CR2"), "IMG_1.cr2"),
    Case("CR3", "internxt/drive-web#1840", media(b"crx "), raw("Canon CR3")),
    Case("RAF", "internxt/drive-web#1840", b"FUJIFILMCCD-RAW 0201" + bytes(90), raw("Fujifilm RAF")),
    Case("RW2", "internxt/drive-web#1840", b"IIU\0" + bytes(90), raw("Panasonic RW2")),
    Case("ORF", "internxt/drive-web#1840", b"IIRO" + bytes(90), raw("Olympus ORF")),
    Case("CRW", "ianare/exif-py#8", b"II\x1a\0\0\0HEAPCCDR" + bytes(90), raw("Canon CRW")),
)
# NewSubfileType: 1 is a reduced copy
TIFF_PAGES = (
    Case("reduced first", "libvips/libvips#1546", pages((SMALL, 1, 0), (PHOTO, 0, 0)), Decoded(PHOTO, COPY)),
    Case(
        "BigTIFF",
        "libvips/libvips#1546",
        pages((SMALL, 1, 0), (PHOTO, 0, 0), bigtiff=True),
        Decoded(PHOTO, COPY),
    ),
    Case("in a SubIFD", "libvips/libvips#1546", pages((SMALL, 1, 1), (PHOTO, 0, 0)), Decoded(PHOTO, COPY)),
    Case("larger SubIFD", "libvips/libvips#1546", pages((SMALL, 0, 1), (PHOTO, 0, 0)), Decoded(PHOTO, COPY)),
    Case("pyramid", "libvips/libvips#1546", pages((PHOTO, 0, 1), (SMALL, 1, 0)), Decoded(PHOTO)),
    Case("pyramid of pages", "libvips/libvips#1546", pages((PHOTO, 0, 0), (SMALL, 1, 0)), Decoded(PHOTO)),
    Case(
        "two pages",
        "libvips/libvips#1546",
        pages((PHOTO, 0, 0), (SMALL, 0, 0)),
        Decoded(PHOTO, "first of 2 pages"),
    ),
    Case(
        "only copies",
        "libvips/libvips#1546",
        pages((SMALL, 1, 0), (PHOTO, 1, 0)),
        Decoded(PHOTO, "only reduced"),
    ),
)
_S = SELECTION
# ExtraSamples: 0 is unspecified, 1 associated alpha, 2 unassociated alpha
TIFF_CHANNELS = (
    Case(
        "RGB, 2 selections", "libvips/libvips#1471", tiff(stack(PHOTO, _S, ALPHA), "00"), Decoded(PHOTO, TWO)
    ),
    Case(
        "RGB, 1 selection",
        "geosolutions-it/imageio-ext#164",
        tiff(stack(PHOTO, _S), "0"),
        Decoded(PHOTO, ONE),
    ),
    Case(
        "selection, alpha",
        "libvips/libvips#1471",
        tiff(stack(PHOTO, _S, ALPHA), "02"),
        Decoded(PHOTO, ONE, ALPHA),
    ),
    Case(
        "alpha, selection",
        "libvips/libvips#1471",
        tiff(stack(PHOTO, ALPHA, _S), "20"),
        Decoded(PHOTO, ONE, ALPHA),
    ),
    Case(
        "premultiplied",
        "libvips/libvips#1471",
        tiff(stack(PREMULTIPLIED, ALPHA), "1"),
        Decoded(PHOTO, "", ALPHA, 2),
    ),
    Case(
        "grey, 2 more",
        "libvips/libvips#1910",
        tiff(stack(GREY, _S, ALPHA), "00", grey=True),
        Decoded(GREY, TWO),
    ),
    Case(
        "grey, 3 more",
        "libvips/libvips#1910",
        tiff(stack(GREY, _S, _S, _S), "000", grey=True),
        Decoded(GREY, THREE),
    ),
    Case(
        "grey, alpha",
        "libvips/libvips#1555",
        tiff(stack(GREY, ALPHA), "2", grey=True),
        Decoded(GREY, "", ALPHA),
    ),
    Case("infrared", "developmentseed/deck.gl-raster#187", tiff(stack(WIDE, _S), "0"), Decoded(WIDE, ONE)),
    Case(
        "inks",
        "libvips/libvips#1489",
        inks(stack(PHOTO, GREY), 2),
        Refused("a TIFF of 4 inks that are not CMYK"),
    ),
    Case(
        "separate planes",
        "libvips/libvips#73",
        tiff(planar(stack(PHOTO, _S, ALPHA)), "00", planarconfig="separate"),
        Decoded(PHOTO, TWO),
    ),
    Case(
        "alpha not announced",
        "haskell-github-trust/Juicy.Pixels#56",
        without_tag(tiff(stack(PHOTO, ALPHA), "2"), 338),
        Decoded(PHOTO, UNSAID, ALPHA),
    ),
)
PNG_COLOURS = (
    Case("linear light", "imageio/imageio#366", png(PHOTO, gama(1.0)), Decoded(coded(PHOTO / 255), GAMMA_1)),
    Case("linear grey", "imageio/imageio#366", png(GREY, gama(1.0)), Decoded(coded(GREY / 255), GAMMA_1)),
    Case(
        "gamma 1.8",
        "etemesi254/zune-image#54",
        png(PHOTO, gama(1 / 1.8)),
        Decoded(coded((PHOTO / 255) ** 1.8), GAMMA_1_8, tolerance=1),
    ),
    Case(
        "gamma spares alpha",
        "brendan-duncan/image#35",
        png(stack(PHOTO, ALPHA), gama(1.0)),
        Decoded(coded(PHOTO / 255), GAMMA_1, ALPHA),
    ),
    Case("gamma 2.2", "jarun/imgp#60", png(PHOTO, gama(0.45455)), Decoded(PHOTO)),
    Case("sRGB over gAMA", "jarun/imgp#60", png(PHOTO, gama(1.0), chunk(b"sRGB", b"\0")), Decoded(PHOTO)),
    Case("gAMA of zero", "jarun/imgp#60", png(PHOTO, gama(0.0)), Decoded(PHOTO)),
)
SAMPLES = (
    Case("float TIFF", "libvips/libvips#3621", tiff(UNIT), Decoded(sixteen(UNIT), FLOAT)),
    Case(
        "half float TIFF",
        "libvips/libvips#3144",
        tiff(UNIT.astype(np.float16)),
        Decoded(sixteen(UNIT.astype(np.float16)), FLOAT),
    ),
    Case("grey float", "libvips/libvips#618", tiff(UNIT[..., 1]), Decoded(sixteen(UNIT[..., 1]), FLOAT)),
    Case(
        "white is 0",
        "tlnagy/TiffImages.jl#133",
        with_short(tiff(UNIT[..., 1]), 262, 0),
        Decoded(INVERTED, FLOAT),
    ),
    Case("float to 255", "libvips/libvips#534", tiff(PHOTO.astype(np.float32)), Refused(RANGE)),
    Case(
        "dark float to 255", "libvips/libvips#534", tiff(np.float32(PHOTO > 200) * 255), Refused(RANGE + "55")
    ),
    Case(
        "float64",
        "libvips/libvips#3144",
        tiff(UNIT.astype(float)),
        Refused("a TIFF with 64-bit float samples"),
    ),
    Case(
        "complex",
        "libvips/libvips#3144",
        tiff(GREY.astype(np.complex64)),
        Refused("a TIFF with complex samples"),
    ),
    Case(
        "32 bits",
        "libvips/libvips#534",
        tiff(PHOTO.astype(np.uint32) << 24),
        Decoded(PHOTO.astype(np.uint16) << 8, "reduced to 16 bits"),
    ),
    Case(
        "8 bits in 32", "libvips/libvips#534", tiff(PHOTO.astype(np.uint32)), Refused("32-bit samples reach")
    ),
    Case(
        "signed",
        "libvips/libvips#534",
        tiff(PHOTO.astype(np.int16)),
        Refused("int16 are not supported; save it with unsigned samples"),
    ),
    Case(
        "12 bits",
        "libvips/libvips#664",
        with_short(tiff(GREY), 258, 12),
        Refused("a TIFF with 12-bit samples"),
    ),
    Case(
        "LERC",
        "libvips/libvips#664",
        with_short(tiff(GREY), 259, 34887),
        Refused("a TIFF with LERC compression"),
    ),
    Case(
        "ICCLab",
        "libvips/libvips#1555",
        with_short(tiff(PHOTO), 262, 9),
        Refused("a TIFF with ICCLab colours"),
    ),
    Case(
        "tiles of separate planes",
        "libvips/libvips#4615",
        tiff(planar(PHOTO), planarconfig="separate", tile=(16, 16)),
        Refused("is a TIFF with tiles of separate channels"),
    ),
)
APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(200)
GIT_LFS = b"version https://git-lfs.github.com/spec/v1\n"
SVG = b"\xef\xbb\xbf\n<?xml version='1.0'?>\n<!-- by hand -->\n<svg/>"
NOT_FOUND = b"\r\n<!DOCTYPE html><title>404</title>"
FORMATS = (
    Case("iOS PNG", "hzeller/timg#85", cgbi(stack(PHOTO, OPAQUE)), Decoded(PHOTO, "CgBI", OPAQUE)),
    Case(
        "iOS PNG, alpha",
        "ImageMagick/ImageMagick#8473",
        cgbi(stack(PHOTO, ALPHA)),
        Decoded(PHOTO, "CgBI", ALPHA, 2),
    ),
    Case("12-bit JPEG", "lovell/sharp#1653", jpeg(bits=12), Refused("is a JPEG with 12 bits per sample")),
    Case("lossless JPEG", "libvips/libvips#664", jpeg(0xC3), Refused("is a lossless JPEG")),
    Case("JPEG-LS", "libvips/libvips#664", jpeg(0xF7), Refused("is a JPEG-LS")),
    Case("MP4", "lovell/sharp#329", media(b"isom", b"isomiso2mp41"), Refused("is an MP4 video")),
    Case("MP4 that names heic", "lovell/sharp#329", media(b"mp42", b"mp41heic"), Refused("is an MP4 video")),
    Case("QuickTime", "lovell/sharp#329", media(b"qt  "), Refused("is a QuickTime video")),
    Case("SVG", "lovell/sharp#329", SVG, Refused("is SVG")),
    Case("SVG without a prologue", "lovell/sharp#329", b"\n <svg xmlns='x'/>", Refused("is SVG")),
    Case("XML", "lovell/sharp#329", b"<?xml version='1.0'?><rss/>", Refused("is XML")),
    Case("HTML named JPEG", "lovell/sharp#329", NOT_FOUND, Refused("is HTML"), "photo.jpg"),
    Case("PDF", "lovell/sharp#329", b"%PDF-1.7\n", Refused("is PDF")),
    Case(
        "AppleDouble", "upscayl/upscayl#1474", APPLE_DOUBLE, Refused("companion file of macOS"), "._IMG_1.jpg"
    ),
    Case("pointer of Git LFS", "git-lfs/git-lfs#3382", GIT_LFS, Refused("a pointer of Git LFS")),
    Case("JPEG 2000", "lovell/sharp#3631", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(90), Refused("is JPEG 2000")),
    Case("JPEG 2000 stream", "lovell/sharp#3631", b"\xff\x4f\xff\x51" + bytes(90), Refused("is JPEG 2000")),
)
CASES = (*CAMERA_RAW, *TIFF_PAGES, *TIFF_CHANNELS, *PNG_COLOURS, *SAMPLES, *FORMATS)
