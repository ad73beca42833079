"""Whether two names mean the same file."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


class Identities:
    """Real paths of files; each folder is resolved once, since a batch may name 100,000 files."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: Path) -> str:
        """The path without symbolic links; the path itself if that cannot be found out."""
        folder, name = os.path.split(path)
        try:
            if folder not in self._folders:
                self._folders[folder] = os.path.realpath(folder)
            joined = f"{self._folders[folder].rstrip(os.sep)}{os.sep}{name}"
            return os.path.realpath(joined) if os.path.islink(joined) else joined  # noqa: PTH114
        except (OSError, ValueError):  # the current folder was removed; a NUL in the name
            return os.fspath(path)

    def of_output(self, path: Path) -> str:
        """A key under which outputs clash. Names that differ in case or Unicode form only are one on many disks."""
        return unicodedata.normalize("NFC", self.of(path)).casefold()
