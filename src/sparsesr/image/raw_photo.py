"""Camera RAW files: recognised, so that the small preview inside is never taken for the photograph.

Most are TIFF files whose first page is a preview; the sensor data lies in a SubIFD that ordinary readers ignore.
"""

from __future__ import annotations

from pathlib import PurePath

from sparsesr.errors import InputError
from sparsesr.image.source import OpenSource
from sparsesr.image.tiff_pages import TiffPage
from sparsesr.image.tiff_tags import COMPRESSION, DNG_VERSION, MAKE, PHOTOMETRIC

_BY_SUFFIX = {
    ".3fr": "Hasselblad 3FR",
    ".arw": "Sony ARW",
    ".cr2": "Canon CR2",
    ".dcr": "Kodak DCR",
    ".dng": "DNG",
    ".erf": "Epson ERF",
    ".fff": "Hasselblad FFF",
    ".gpr": "GoPro GPR",
    ".iiq": "Phase One IIQ",
    ".kdc": "Kodak KDC",
    ".mef": "Mamiya MEF",
    ".mos": "Leaf MOS",
    ".nef": "Nikon NEF",
    ".nrw": "Nikon NRW",
    ".orf": "Olympus ORF",
    ".pef": "Pentax PEF",
    ".rw2": "Panasonic RW2",
    ".rwl": "Leica RWL",
    ".sr2": "Sony SR2",
    ".srf": "Sony SRF",
    ".srw": "Samsung SRW",
}
_BY_MAKE = {
    b"NIKON": "Nikon NEF",
    b"CANON": "Canon CR2",
    b"SONY": "Sony ARW",
    b"PENTAX": "Pentax PEF",
    b"RICOH": "Pentax PEF",
    b"SAMSUNG": "Samsung SRW",
    b"HASSELBLAD": "Hasselblad 3FR",
    b"PHASE ONE": "Phase One IIQ",
    b"LEAF": "Leaf MOS",
    b"MAMIYA": "Mamiya MEF",
    b"EASTMAN KODAK": "Kodak DCR",
    b"KODAK": "Kodak DCR",
    b"SEIKO EPSON": "Epson ERF",
}
_SENSOR_PHOTOMETRICS = (32803, 34892)  # colour filter array (TIFF/EP), linear raw (DNG)
# Compressions of Sony, Epson, Samsung, Nikon, Kodak, Pentax (ExifTool, table of TIFF compressions).
_SENSOR_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)


def raw_error(name: str, kind: str) -> InputError:
    """The refusal of a camera RAW file."""
    return InputError(
        f"is a camera RAW file ({kind}): sensor data, not a finished image",
        where=name,
        remedy="develop it to TIFF or JPEG first, with darktable, RawTherapee or the camera maker's program",
    )


def refuse_raw(source: OpenSource, pages: list[TiffPage]) -> None:
    """Raise InputError if a file with the structure of TIFF is a camera RAW file, whatever its name."""
    kind = _raw_kind(source, pages)
    if kind is not None:
        raise raw_error(source.name, kind)


def _raw_kind(source: OpenSource, pages: list[TiffPage]) -> str | None:
    by_suffix = _BY_SUFFIX.get(PurePath(source.name).suffix.lower())
    if by_suffix is not None:
        return by_suffix
    if source.read_at(8, 2) == b"CR":
        return "Canon CR2"
    if any(DNG_VERSION in page.tags for page in pages):
        return "DNG"
    if any(_holds_sensor_data(page) for page in pages):
        makes = [page.tags[MAKE].value.strip(b"\0 ").upper() for page in pages if MAKE in page.tags]
        kinds = (kind for make in makes for known, kind in _BY_MAKE.items() if make.startswith(known))
        return next(kinds, "TIFF with data of a colour filter array")
    return None


def _holds_sensor_data(page: TiffPage) -> bool:
    return (
        page.first(PHOTOMETRIC, -1) in _SENSOR_PHOTOMETRICS
        or page.first(COMPRESSION, 1) in _SENSOR_COMPRESSIONS
    )
