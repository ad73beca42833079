"""Names of files as people give them: with ``~``, as ``file://`` addresses, or as addresses of other machines."""

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
        InputError: it is the address of something that is not a file of this machine.
    """
    text = os.fspath(name)
    if os.path.lexists(text):
        return text
    if _FILE_ADDRESS.match(text):
        return _of_file_address(text, is_output)
    if _ADDRESS.match(text):
        raise _not_local(text, is_output)
    return os.path.expanduser(text)  # noqa: PTH111 - a Path would lose a trailing separator


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
