"""Pages of a TIFF file, and which of them is the image: reduced copies and masks are not."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sparsesr.image.source import OpenSource
from sparsesr.image.tiff_tags import (
    BITS,
    CLASSIC,
    COEFFICIENTS,
    COMPRESSION,
    DNG_VERSION,
    EXTRA_SAMPLES,
    HEIGHT,
    INK_SET,
    INKS,
    MAKE,
    NEW_SUBFILE_TYPE,
    ORIENTATION,
    PHOTOMETRIC,
    PLANAR,
    PRIMARIES,
    REFERENCE,
    SAMPLE_FORMAT,
    SAMPLES,
    SUB_IFDS,
    SUBFILE_TYPE,
    TILE_WIDTH,
    WHITE_POINT,
    WIDTH,
    Directory,
    Form,
    integers,
    next_directory,
    read_any_header,
    read_directory,
)
from sparsesr.limits import ImageLimits

_WANTED = (
    frozenset(
        (NEW_SUBFILE_TYPE, SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, MAKE, SAMPLES, PLANAR)
    )
    | frozenset((ORIENTATION, TILE_WIDTH, SUB_IFDS, INKS))
    | {EXTRA_SAMPLES, SAMPLE_FORMAT, DNG_VERSION, WHITE_POINT, PRIMARIES, INK_SET}
    | {COEFFICIENTS, REFERENCE}
)
_OFFSETS, _COUNTS = (273, 324), (279, 325)  # of strips and of tiles
_PLACES = frozenset(_OFFSETS + _COUNTS)
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2
_RATIONAL = 5
_MAX_SUB_IFDS = 32
_MAX_DIRECTORIES_WITH_SUB_IFDS = 100
_MAX_VALUE_BYTES = 1024  # of the wanted tags; there may be thousands of pages


@dataclass(frozen=True)
class TiffPage:
    """One directory that describes an image."""

    tags: Directory
    order: str
    form: Form
    offset: int
    """Of the directory in the file."""
    page: int
    """Position in the chain of directories, as libvips counts."""
    subifd: int = -1
    """Position among the SubIFDs of that page; -1: the page itself."""

    def integers(self, tag: int) -> list[int]:
        """The integer values of a tag; empty if it is absent."""
        return integers(self.tags, self.order, tag)

    def rationals(self, tag: int) -> list[float]:
        """The values of a RATIONAL tag; empty if it is absent or divides by zero."""
        entry = self.tags.get(tag)
        if entry is None or entry.kind != _RATIONAL:
            return []
        words = struct.unpack(f"{self.order}{2 * entry.count}I", entry.value)
        pairs = list(zip(words[0::2], words[1::2], strict=True))
        return [above / below for above, below in pairs] if all(below for _, below in pairs) else []

    def first(self, tag: int, default: int) -> int:
        """The first value of a tag."""
        return (self.integers(tag) or [default])[0]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.first(HEIGHT, 0), self.first(WIDTH, 0)

    def lies_within(self, source: OpenSource) -> bool:
        """The file holds all strips and tiles that the page lists."""
        places = read_directory(source.read_at, self.order, self.offset, form=self.form, wanted=_PLACES)
        offsets, counts = (
            [value for tag in tags for value in integers(places, self.order, tag)]
            for tags in (_OFFSETS, _COUNTS)
        )
        ends = (offset + count for offset, count in zip(offsets, counts, strict=False))
        return bool(offsets) and len(offsets) == len(counts) and max(ends) <= source.size

    @property
    def is_auxiliary(self) -> bool:
        """A reduced copy of another page, or the mask of one (NewSubfileType; TIFF 6.0, section 8)."""
        is_reduced = self.first(NEW_SUBFILE_TYPE, 0) & (_REDUCED | _MASK) != 0
        return is_reduced or self.first(SUBFILE_TYPE, 0) == _OLD_REDUCED


@dataclass(frozen=True)
class ChosenPage:
    """The page to decode."""

    page: TiffPage
    pages: int
    """Pages that are images of their own; the chosen one is the first of them."""
    orientation: int
    """1 to 8: its own, or that of the first page."""
    note: str = ""


def tiff_pages(source: OpenSource, limits: ImageLimits) -> list[TiffPage]:
    """All pages with their SubIFDs, as far as they can be read; the chain is followed up to ``max_frames``."""
    header = read_any_header(source.read_at)
    if header is None:
        return []
    order, form, offset = header
    pages: list[TiffPage] = []
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) <= limits.max_frames:
        page = TiffPage(_directory(source, order, offset, form), order, form, offset, len(seen))
        pages.append(page)
        if len(pages) < _MAX_DIRECTORIES_WITH_SUB_IFDS:
            pages += _sub_pages(source, page)
        seen.add(offset)
        offset = next_directory(source.read_at, order, offset, form)
    return pages


def chosen_page(pages: list[TiffPage]) -> ChosenPage:
    """The first page that is neither a reduced copy nor a mask; without one, the largest."""
    exceeded = _with_larger_sub_pages(pages)
    full = [
        page for page in pages if not page.is_auxiliary and (page.subifd >= 0 or page.page not in exceeded)
    ]
    if not full:
        largest = max(pages, key=lambda page: page.size[0] * page.size[1])
        note = "the TIFF holds only reduced copies of an image; the largest is used"
        return ChosenPage(largest, 1, _orientation(largest, pages), note)
    chosen, note = full[0], ""
    if chosen is not pages[0]:
        height, width = pages[0].size
        note = f"the first page of the TIFF is a reduced copy ({width}x{height}); the full image is used"
    # A SubIFD is an image of its own only if its page is a reduced copy.
    in_chain = sum(page.subifd < 0 for page in full)
    return ChosenPage(chosen, max(in_chain, 1), _orientation(chosen, pages), note)


def read_page(source: OpenSource, number: int) -> TiffPage:
    """A page of the chain with all its tags, but values of more than a mebibyte; without tags if it is missing."""
    header = read_any_header(source.read_at)
    if header is None:
        return TiffPage({}, "<", CLASSIC, 0, number)
    order, form, offset = header
    for _ in range(number):
        offset = next_directory(source.read_at, order, offset, form)
    return TiffPage(read_directory(source.read_at, order, offset, form=form), order, form, offset, number)


def _orientation(page: TiffPage, pages: list[TiffPage]) -> int:
    value = page.first(ORIENTATION, pages[0].first(ORIENTATION, 1))
    return value if 1 <= value <= 8 else 1


def _with_larger_sub_pages(pages: list[TiffPage]) -> set[int]:
    """Numbers of pages that a SubIFD of theirs exceeds in both directions, though nothing marks them as reduced."""
    sizes = {page.page: page.size for page in pages if page.subifd < 0}
    subs = (page for page in pages if page.subifd >= 0 and not page.is_auxiliary)
    return {sub.page for sub in subs if all(a > b for a, b in zip(sub.size, sizes[sub.page], strict=True))}


def _directory(source: OpenSource, order: str, offset: int, form: Form) -> Directory:
    return read_directory(source.read_at, order, offset, _MAX_VALUE_BYTES, form, _WANTED)


def _sub_pages(source: OpenSource, page: TiffPage) -> Iterator[TiffPage]:
    for index, offset in enumerate(page.integers(SUB_IFDS)[:_MAX_SUB_IFDS]):
        tags = _directory(source, page.order, offset, page.form)
        if tags:
            yield TiffPage(tags, page.order, page.form, offset, page.page, index)
