"""Names of files as people give them: with ``~``, as ``file://`` addresses, or as addresses of other machines.

``Path.is_dir`` and its like raise OSError for names that are too long or out of reach. Here these are neither folders
nor files: whoever opens them reports them.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote_to_bytes, urlsplit

from sparsesr.errors import InputError, Wording
from sparsesr.image.source import printable

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:[a-z]+/")
_FILE_ADDRESS = re.compile(r"file:/", re.IGNORECASE)


def local_name(name: str | os.PathLike[str], *, is_output: bool = False) -> str:
    """The local name for ``name``: with ``~`` expanded, and ``file://`` addresses decoded (RFC 8089).

    A name that exists as it stands is never changed. A trailing separator is kept.

    Raises:
        InputError: it is empty, or the address of something that is not a file of this machine.
    """
    text = os.fspath(name)
    if os.path.lexists(text):
        return text
    if _FILE_ADDRESS.match(text):
        text = _of_file_address(text, is_output)
    elif _ADDRESS.match(text):
        raise _not_local(text, is_output)
    if not text:  # a Path of it would be the current folder
        what = "the output" if is_output else "an input"
        raise InputError(f"{what} has no name", remedy="name a file or folder; is a variable empty?")
    return os.path.expanduser(text)  # noqa: PTH111 - a Path would lose a trailing separator


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether it is a folder that can be reached."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether it is a regular file that can be reached."""
    return os.path.isfile(path)  # noqa: PTH113


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether it can be reached."""
    return os.path.exists(path)  # noqa: PTH110


def _of_file_address(address: str, is_output: bool) -> str:
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost"):
        raise _not_local(address, is_output)
    # Unescaped "?" and "#" are legal in file names, and people do not escape them.
    rest = address.split(":", 1)[1]
    path = rest[2 + len(parts.netloc) :] if rest.startswith("//") else rest
    return os.fsdecode(unquote_to_bytes(os.fsencode(path)))


def _not_local(address: str, is_output: bool) -> InputError:
    if is_output:
        remedy: str | Wording = Wording("name a file or folder of this machine with {}", "output")
    else:
        remedy = "download it, and name the file"
    what = "is an address, not the name of a file"
    return InputError(what, where=printable(address.partition(",")[0]), remedy=remedy)
