"""Expansion of file names, folders and patterns to image files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sparsesr.errors import InputError, Wording
from sparsesr.image.source import printable
from sparsesr.jobs.identity import Identities
from sparsesr.jobs.local_names import exists, is_file, is_folder, local_name

_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".tif", ".tiff", ".gif", ".bmp"}
    | {".dib", ".avif", ".heic", ".heif", ".hif", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm"}
)
_APPLE_DOUBLE = b"\0\5\x16\7"
"""Start of the ``._`` files in which macOS keeps attributes of the file beside them (RFC 1740)."""
_NAME_THEM = "name them to upscale what is in them"
_SYSTEM_FILES = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
_SYSTEM_FOLDERS = frozenset({"@eadir", "__macosx", "$recycle.bin", "system volume information", "lost+found"})
"""Thumbnails, companions and waste that systems keep beside images."""


@dataclass
class Inputs:
    """The files that arguments name, and what is wrong with the arguments."""

    files: list[tuple[Path, Path]] = field(default_factory=list[tuple[Path, Path]])
    """(file, path relative to its argument), in order, without duplicates."""
    problems: list[InputError] = field(default_factory=list[InputError])
    """Arguments and subfolders that give no files."""
    notes: list[str] = field(default_factory=list[str])
    """Files and subfolders that were left out, one sentence for each reason."""


def expand(arguments: Iterable[str], *, recursive: bool, output: str | None = None) -> Inputs:
    """Find the files that ``arguments`` name.

    A folder yields the images in it, with ``recursive`` also those in its subfolders except hidden ones, those of
    systems (such as ``@eaDir``), linked ones (which a note names), and the folder ``output``. Names that do not exist
    are kept, so that each is reported; an existing file is accepted whatever its name, unless it is a companion file of
    a system.
    """
    listing = _Listing(recursive, output)
    for argument in arguments:
        listing.add(argument)
    return listing.inputs()


def has_image_suffix(path: Path) -> bool:
    """True if the name ends like that of an image that can be read."""
    return path.suffix.lower() in _SUFFIXES


def _is_companion(path: Path) -> bool:
    """True for files that systems put beside others: no images, whatever their name says."""
    if path.name.lower() in _SYSTEM_FILES:
        return True
    if not path.name.startswith("._"):
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_APPLE_DOUBLE)) == _APPLE_DOUBLE
    except OSError:
        return False


class _Listing:
    def __init__(self, recursive: bool, output: str | None) -> None:
        self._recursive = recursive
        self._real = Identities()
        self._output = None if output is None else self._real.of(Path(output))
        self._found: dict[str, tuple[Path, Path]] = {}
        self._problems: list[InputError] = []
        self._companions: list[Path] = []
        self._links: list[Path] = []
        self._linked_folders: list[Path] = []
        self._entered: set[str] = set()

    def inputs(self) -> Inputs:
        found, problems, companions = list(self._found.values()), self._problems, self._companions
        notes: list[str] = []
        if companions and not found and not problems:
            what = "is a companion file of the system, not an image"
            problems = [InputError(what, where=printable(path)) for path in companions]
        elif companions:
            notes.append(f"{shown(companions)}: companion files of the system, left out")
        if self._links:
            notes.append(f"{shown(self._links)}: linked with another input, which is upscaled once")
        linked = [folder for folder in self._linked_folders if self._real.of(folder) not in self._entered]
        if linked:
            notes.append(f"{shown(linked)}: linked folders are not entered; {_NAME_THEM}")
        return Inputs(found, problems, notes)

    def add(self, argument: str) -> None:
        try:
            for path, relative in self._expanded(local_name(argument)):
                self._add_file(path, relative)
        except InputError as error:
            self._problems.append(error)

    def _add_file(self, path: Path, relative: Path) -> None:
        """Add a file, unless it is known; of a file and links to it, the file itself stays."""
        real = self._real.of(path)
        known, _ = self._found.setdefault(real, (path, relative))
        if known == path:
            return
        if path.is_symlink():
            self._links.append(path)
        elif known.is_symlink():
            self._links.append(known)
            self._found[real] = path, relative

    def _expanded(self, name: str) -> list[tuple[Path, Path]]:
        path = Path(name)
        if is_folder(path):
            return self._images_in(path)
        if exists(path) or not glob.has_magic(name):
            return self._without_companions([path])
        matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
        files = [match for match in matches if is_file(match)]
        if not files:
            raise InputError(
                "no file matches the pattern", where=printable(name), remedy="check it, and quote it"
            )
        return self._without_companions(files)

    def _without_companions(self, named: list[Path]) -> list[tuple[Path, Path]]:
        companions = [path for path in named if _is_companion(path)]
        self._companions += companions
        return [(path, Path(path.name)) for path in named if path not in companions]

    def _images_in(self, folder: Path) -> list[tuple[Path, Path]]:
        problems, linked = len(self._problems), len(self._linked_folders)
        found = sorted(self._walk(folder))
        if not found and len(self._problems) == problems:
            remedy = None if self._recursive else Wording("use {} to include subfolders", "recursive")
            if len(self._linked_folders) > linked:
                remedy = f"linked folders in it are not entered; {_NAME_THEM}"
            raise InputError("no images in this folder", where=printable(folder), remedy=remedy)
        return [(path, path.relative_to(folder)) for path in found]

    def _walk(self, folder: Path) -> Iterator[Path]:
        self._entered.add(self._real.of(folder))
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError as error:
            what = f"cannot be listed ({error.strerror})"
            self._problems.append(InputError(what, where=printable(folder)))
            return
        for entry in listed:
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                if self._recursive and self._is_entered(path):
                    yield from self._walk(path)
            elif entry.is_symlink() and is_folder(path):
                if self._recursive and self._is_entered(path):
                    self._linked_folders.append(path)  # entered, it could lead round in circles
            elif has_image_suffix(path) and not _is_companion(path) and (is_file(path) or not exists(path)):
                yield path  # a link that leads nowhere is reported when it is opened

    def _is_entered(self, folder: Path) -> bool:
        name = folder.name.lower()
        is_special = name.startswith(".") or name in _SYSTEM_FOLDERS
        return not is_special and self._real.of(folder) != self._output


_SHOWN = 3


def shown(paths: list[Path]) -> str:
    """The names of the files; of many the first few, and the number of the others."""
    if len(paths) <= _SHOWN + 1:
        return ", ".join(printable(path) for path in paths)
    names = ", ".join(printable(path) for path in paths[:_SHOWN])
    return f"{names} and {len(paths) - _SHOWN} others"
