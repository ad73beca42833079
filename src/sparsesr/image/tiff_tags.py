"""TIFF directories: extract EXIF from a TIFF file and append it to one, which libvips does not do."""

from __future__ import annotations

import struct
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

ReadAt = Callable[[int, int], bytes]

NEW_SUBFILE_TYPE, SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = (
    254,
    255,
    256,
    257,
    258,
    259,
    262,
)
MAKE, ORIENTATION, SAMPLES, PLANAR = 271, 274, 277, 284
TILE_WIDTH, SUB_IFDS, INKS, EXTRA_SAMPLES, SAMPLE_FORMAT, DNG_VERSION = 322, 330, 334, 338, 339, 50706
WHITE_POINT, PRIMARIES, INK_SET = 318, 319, 332
COEFFICIENTS, REFERENCE = 529, 532  # of YCbCr
RESOLUTION_UNIT, _NO_UNIT = 296, 1
_SHORT = 3
_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY_IFD = 0x8769, 0x8825, 0xA005
# Tags that describe the image (author, date, camera), not how its pixels are stored.
DESCRIPTION = 0x010E
_DESCRIPTIVE = (
    *(0x010D, DESCRIPTION, 0x010F, 0x0110, 0x011D, 0x0131, 0x0132, 0x013B, 0x013C),
    *(0x4746, 0x4749, 0x8298, *range(0x9C9B, 0x9CA0)),
)
_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_SWAP_UNIT = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_LAST_CLASSIC_KIND = 12
"""Later types are those of BigTIFF and of links, which EXIF has no place for."""
_BIG_ABOVE_BYTES = 3_500_000_000
_MAX_VALUE_BYTES = 1 << 20
_MAX_VALUES = 16
"""Values of the largest size that a directory may hold."""
_MAX_ENTRIES = 1000


@dataclass(frozen=True)
class Tag:
    """One directory entry; ``value`` holds its bytes in the byte order of its file."""

    kind: int
    count: int
    value: bytes

    def swapped(self) -> Tag:
        """Return the same entry in the other byte order."""
        unit = _SWAP_UNIT.get(self.kind, 1)
        parts = np.frombuffer(self.value, np.uint8).reshape(-1, unit)[:, ::-1]
        return Tag(self.kind, self.count, parts.tobytes())

    def integers(self, order: str) -> list[int]:
        """Return the values of a BYTE, SHORT, LONG, IFD, LONG8 or IFD8 entry; empty for other kinds."""
        letter = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(self.kind)
        return list(struct.unpack(f"{order}{self.count}{letter}", self.value)) if letter else []


Directory = dict[int, Tag]


@dataclass(frozen=True)
class Form:
    """How directories are stored: the formats, as for struct, of their fields."""

    count: str
    entry: str
    """Tag, type and count; a value or its offset follows."""
    offset: str

    @property
    def inline_bytes(self) -> int:
        """Bytes of a value that are stored in the entry itself."""
        return struct.calcsize("=" + self.offset)

    @property
    def entry_bytes(self) -> int:
        """Bytes of one entry."""
        return struct.calcsize("=" + self.entry) + self.inline_bytes


CLASSIC = Form("H", "HHI", "I")
BIG = Form("Q", "HHQ", "Q")


def is_written_big(height: int, width: int, bands: int) -> bool:
    """Whether results of this size are written as BigTIFF, to which tags cannot be appended."""
    return height * width * bands * 2 > _BIG_ABOVE_BYTES


def read_header(read_at: ReadAt) -> tuple[str, int] | None:
    """Return (byte order as for struct, offset of the first directory); None unless this is classic TIFF."""
    head = read_at(0, 8)
    if len(head) < 8 or head[:4] not in (b"II*\0", b"MM\0*"):
        return None
    order = "<" if head[:2] == b"II" else ">"
    return order, int(struct.unpack(order + "I", head[4:])[0])


def read_any_header(read_at: ReadAt) -> tuple[str, Form, int] | None:
    """Byte order, form, and offset of the first directory, of classic TIFF and BigTIFF."""
    head = read_at(0, 16)
    if len(head) < 8 or head[:2] not in (b"II", b"MM"):
        return None
    order = "<" if head[:2] == b"II" else ">"
    if struct.unpack(order + "H", head[2:4])[0] != 43:
        return order, CLASSIC, int(struct.unpack(order + "I", head[4:8])[0])
    return (order, BIG, int(struct.unpack(order + "Q", head[8:16])[0])) if len(head) == 16 else None


def read_directory(
    read_at: ReadAt,
    order: str,
    offset: int,
    max_value_bytes: int = _MAX_VALUE_BYTES,
    form: Form = CLASSIC,
    wanted: Container[int] | None = None,
) -> Directory:
    """Read one directory, or the ``wanted`` tags of it; damaged or excessively large entries are skipped.

    Entries may share bytes: once they take ``_MAX_VALUES`` times ``max_value_bytes`` together, the rest is skipped.
    """
    count, start = _entry_count(read_at, order, offset, form)
    raw = read_at(start, form.entry_bytes * count)
    tags: Directory = {}
    left = _MAX_VALUES * max_value_bytes
    for position in range(0, len(raw) - form.entry_bytes + 1, form.entry_bytes):
        tag, kind, length = struct.unpack_from(order + form.entry, raw, position)
        size = _TYPE_BYTES.get(kind, 0) * length
        if not 0 < size <= min(max_value_bytes, left) or (wanted is not None and tag not in wanted):
            continue
        left -= size
        field = raw[position + form.entry_bytes - form.inline_bytes : position + form.entry_bytes]
        inline = size <= form.inline_bytes
        value = field[:size] if inline else read_at(_unpacked(order + form.offset, field), size)
        if len(value) == size:
            tags[tag] = Tag(kind, length, value)
    return tags


def listed_tags(read_at: ReadAt, order: str, offset: int, form: Form) -> list[int]:
    """The tags of one directory, also those whose values :func:`read_directory` skips."""
    count, start = _entry_count(read_at, order, offset, form)
    raw = read_at(start, form.entry_bytes * count)
    last = len(raw) - form.entry_bytes
    return [int(struct.unpack_from(order + "H", raw, at)[0]) for at in range(0, last + 1, form.entry_bytes)]


def next_directory(read_at: ReadAt, order: str, offset: int, form: Form) -> int:
    """Return the offset of the directory that follows the one at ``offset``; 0 if there is none."""
    count, start = _entry_count(read_at, order, offset, form)
    return _unpacked(order + form.offset, read_at(start + form.entry_bytes * count, form.inline_bytes))


def _entry_count(read_at: ReadAt, order: str, offset: int, form: Form) -> tuple[int, int]:
    """The number of entries, bounded, and the offset of the first."""
    size = struct.calcsize("=" + form.count)
    return min(_unpacked(order + form.count, read_at(offset, size)), _MAX_ENTRIES), offset + size


def _unpacked(format: str, raw: bytes) -> int:
    """One integer; 0 if the file ends before it."""
    return int(struct.unpack(format, raw)[0]) if len(raw) == struct.calcsize(format) else 0


def exif_of_tiff(
    read_at: ReadAt, order: str, form: Form, main: Directory, orientation: int, without: Container[int] = ()
) -> bytes | None:
    """One EXIF block of a page's descriptive tags but those in ``without``, and its EXIF and GPS directories.

    It gets ``orientation``, in which positions in the EXIF directory are counted.
    """
    kept, inner = _described(read_at, order, form, main)
    kept = {tag: entry for tag, entry in kept.items() if tag not in without}
    if not kept and not any(inner.values()):
        return None
    if orientation != 1:
        kept[ORIENTATION] = Tag(_SHORT, 1, struct.pack(order + "H", orientation))
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return start + _serialised(kept, inner, order, base=8)


def append_tags(file: BinaryIO, exif: bytes | None, extra: Directory, extra_order: str) -> None:
    """Append the tags of an EXIF block and ``extra`` ones to a finished classic TIFF file as new directories."""

    read_file = _reader(file)
    target = read_header(read_file)
    if target is None:
        return
    order, offset = target
    main = read_directory(read_file, order, offset, max_value_bytes=1 << 32)
    kept, inner = _tags_of_exif(exif or b"", order)
    main |= kept | (extra if extra_order == order else _swapped(extra))
    end = file.seek(0, 2)
    base = end + end % 2
    file.write(bytes(base - end) + _serialised(main, inner, order, base))
    file.seek(4)
    file.write(struct.pack(order + "I", base))
    file.seek(0, 2)


def clear_resolution_unit(file: BinaryIO) -> None:
    """Let a finished TIFF file state the shape of its pixels but no size; libvips always writes a unit."""
    read_file = _reader(file)
    header = read_any_header(read_file)
    if header is None:
        return
    order, form, offset = header
    count, at = _entry_count(read_file, order, offset, form)
    for entry in range(at, at + form.entry_bytes * count, form.entry_bytes):
        if _unpacked(order + "H", read_file(entry, 2)) == RESOLUTION_UNIT:
            file.seek(entry + form.entry_bytes - form.inline_bytes)
            file.write(struct.pack(order + "H", _NO_UNIT))
    file.seek(0, 2)


def _reader(file: BinaryIO) -> ReadAt:
    def read_file(offset: int, count: int) -> bytes:
        file.seek(offset)
        return file.read(count)

    return read_file


def _tags_of_exif(exif: bytes, order: str) -> tuple[Directory, dict[int, Directory]]:
    """The descriptive tags, and the EXIF and GPS directories by their tags, in the given byte order."""

    def read_block(offset: int, count: int) -> bytes:
        return exif[offset : offset + count]

    block = read_header(read_block)
    if block is None:
        return {}, {}
    kept, inner = _described(read_block, block[0], CLASSIC, read_directory(read_block, *block))
    if block[0] == order:
        return kept, inner
    return _swapped(kept), {tag: _swapped(directory) for tag, directory in inner.items()}


def _described(
    read_at: ReadAt, order: str, form: Form, main: Directory
) -> tuple[Directory, dict[int, Directory]]:
    """The descriptive tags of a directory, and the EXIF and GPS directories that it links, by their tags."""
    kept = {tag: main[tag] for tag in _DESCRIPTIVE if tag in main and main[tag].kind <= _LAST_CLASSIC_KIND}
    return kept, {tag: _linked(read_at, order, form, main, tag) for tag in (_EXIF_IFD, _GPS_IFD)}


def _linked(read_at: ReadAt, order: str, form: Form, main: Directory, tag: int) -> Directory:
    offsets = integers(main, order, tag)
    found = read_directory(read_at, order, offsets[0], form=form) if offsets else {}
    # A link to a further directory would point to its old place.
    return {
        tag: entry
        for tag, entry in found.items()
        if tag != _INTEROPERABILITY_IFD and entry.kind <= _LAST_CLASSIC_KIND
    }


def _swapped(directory: Directory) -> Directory:
    return {tag: entry.swapped() for tag, entry in directory.items()}


def _serialised(main: Directory, inner: dict[int, Directory], order: str, base: int) -> bytes:
    """Lay out the main directory at ``base``, then the inner ones, each followed by its long values."""
    main = {tag: entry for tag, entry in main.items() if tag not in inner}
    links = {tag: directory for tag, directory in inner.items() if directory}
    # The links depend on the size of the main directory: lay it out once with zeros.
    placed = {**main, **{tag: Tag(4, 1, bytes(4)) for tag in links}}
    position = base + len(_one_directory(placed, order, base))
    tail = b""
    for tag, directory in links.items():
        placed[tag] = Tag(4, 1, struct.pack(order + "I", position + len(tail)))
        tail += _one_directory(directory, order, position + len(tail))
    return _one_directory(placed, order, base) + tail


def _one_directory(directory: Directory, order: str, base: int) -> bytes:
    entries = struct.pack(order + "H", len(directory))
    values, position = list[bytes](), base + 2 + 12 * len(directory) + 4
    for tag in sorted(directory):
        entry = directory[tag]
        entries += struct.pack(order + "HHI", tag, entry.kind, entry.count)
        if len(entry.value) <= 4:
            entries += entry.value.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "I", position)
            values.append(entry.value + bytes(len(entry.value) % 2))
            position += len(values[-1])
    return entries + bytes(4) + b"".join(values)


def integers(directory: Directory, order: str, tag: int) -> list[int]:
    """Return the integer values of a tag; empty if it is absent."""
    return directory[tag].integers(order) if tag in directory else []
