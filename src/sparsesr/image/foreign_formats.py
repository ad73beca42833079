"""Formats that are not supported, by their signatures, so that a refusal can name them."""

from __future__ import annotations

from sparsesr.errors import InputError
from sparsesr.image.raw_photo import raw_error

SUPPORTED = "JPEG, PNG, WebP, TIFF, GIF, AVIF, BMP, PNM"

_APPLE_DOUBLE = "a companion file of macOS (AppleDouble) without an image"
_GIT_LFS = "a pointer of Git LFS, not the file itself"
_HTML = "HTML, perhaps a download that failed"
_REMEDIES = {
    _APPLE_DOUBLE: "name the file without ._ instead",
    _GIT_LFS: "fetch the file with `git lfs pull`",
    _HTML: "download the image again",
}

# (offset, signature, name)
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript (EPS)"),
    (0, b"8BPS", "Photoshop PSD"),
    (0, b"gimp xcf", "GIMP XCF"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"qoif", "QOI"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"#?RGBE", "Radiance HDR"),
    (0, b"DDS ", "a DirectDraw surface (DDS)"),
    (0, b"\xabKTX ", "a KTX texture"),
    (0, b"SIMPLE  =", "FITS"),
    (128, b"DICM", "DICOM"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\x01\0\0\0\x6c\0\0\0", "a Windows metafile (EMF)"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)"),
    (0, b"\0\0\x01\0", "a Windows icon"),
    (0, b"\0\0\x02\0", "a Windows cursor"),
    (0, b"icns", "an Apple icon (ICNS)"),
    (0, b"P7\n", "PAM"),
    (0, b"PF\n", "PFM"),
    (0, b"Pf\n", "PFM"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (8, b"AVI ", "an AVI video"),
    (8, b"WAVE", "WAV audio"),
    (0, b"\0\0\x01\xba", "an MPEG video"),
    (4, b"moov", "a QuickTime video"),
    (4, b"mdat", "a QuickTime video"),
    (4, b"wide", "a QuickTime video"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office file"),
    (0, b"\0\x05\x16\x07", _APPLE_DOUBLE),
    (0, b"version https://git-lfs", _GIT_LFS),
)
# After blanks and a byte order mark.
_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"<svg", "SVG"),
    (b"<!doctype html", _HTML),
    (b"<html", _HTML),
)
_XML = (b"<?xml", b"<!doctype svg", b"<!--")
_RAW: tuple[tuple[bytes, str], ...] = (
    (b"FUJIFILMCCD-RAW", "Fujifilm RAF"),
    (b"IIRO", "Olympus ORF"),
    (b"IIRS", "Olympus ORF"),
    (b"MMOR", "Olympus ORF"),
    (b"IIU\0", "Panasonic RW2"),
    (b"FOVb", "Sigma X3F"),
    (b"\0MRM", "Minolta MRW"),
)
_CRW = (6, b"HEAPCCDR")
# Major brands of ISO media files (mp4ra.org).
_VIDEO_BRANDS = (
    b"isom",
    b"iso",
    b"mp4",
    b"avc1",
    b"M4V",
    b"M4A",
    b"3gp",
    b"3g2",
    b"mmp4",
    b"MSNV",
    b"dash",
    b"f4v",
)
HEAD_BYTES = 1024
"""Bytes from the start of a file that are enough to name its format."""


def foreign_error(name: str, head: bytes) -> InputError:
    """The refusal of a file that starts with ``head`` and is not in a supported format."""
    raw = _raw_kind(head)
    if raw is not None:
        return raw_error(name, raw)
    what = _foreign_name(head)
    if what is None:
        return InputError(
            f"is not an image in a supported format ({SUPPORTED}), or its start is damaged", where=name
        )
    if what in _REMEDIES:
        return InputError(f"is {what}", where=name, remedy=_REMEDIES[what])
    return InputError(
        f"is {what}, which is not supported", where=name, remedy=f"convert it to one of {SUPPORTED}"
    )


def _raw_kind(head: bytes) -> str | None:
    at, signature = _CRW
    if head[at : at + len(signature)] == signature:
        return "Canon CRW"
    if head[4:12] == b"ftypcrx ":
        return "Canon CR3"
    return next((kind for signature, kind in _RAW if head.startswith(signature)), None)


def _foreign_name(head: bytes) -> str | None:
    for offset, signature, what in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return what
    if head[4:8] == b"ftyp":
        return _media_name(head[8:12])
    return _text_name(head)


def _media_name(brand: bytes) -> str:
    if brand == b"qt  ":
        return "a QuickTime video"
    if brand.startswith(_VIDEO_BRANDS):
        return "an MP4 video"
    return f"an ISO media file of the kind {brand.decode('latin-1')!r}"


def _text_name(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, what in _TEXTS:
        if text.startswith(start):
            return what
    if text.startswith(_XML):
        return "SVG" if b"<svg" in text else "XML"
    return None
