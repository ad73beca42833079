"""Output destinations: checked once before any work, and written atomically."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sparsesr.errors import InputError, LimitError, UsageError, Wording
from sparsesr.image.formats import FORMATS, known_names, require_format
from sparsesr.image.source import printable
from sparsesr.image.temporary import create_temporary, remove_stale

_ELSEWHERE = Wording("choose another {}", "output")
_NO_PERMISSION = "no permission to write there"
_REASONS: dict[int, tuple[str, Wording]] = {
    errno.ENOSPC: ("no space left on the disk", Wording("free some or choose another {}", "output")),
    errno.EDQUOT: ("the disk quota is used up", Wording("free some space or choose another {}", "output")),
    errno.EFBIG: (
        "the file would be larger than the system allows",
        Wording("choose another {} or a smaller {}", "output", "format"),
    ),
    errno.EACCES: (_NO_PERMISSION, _ELSEWHERE),
    errno.EPERM: (_NO_PERMISSION, _ELSEWHERE),
    errno.EROFS: ("the file system is read-only", _ELSEWHERE),
    errno.ENAMETOOLONG: ("the name is too long", _ELSEWHERE),
}


@dataclass(frozen=True)
class Destination:
    """A checked path to write an image to, and its format."""

    path: Path | None
    """None: in memory."""
    format: str
    """A key of :data:`sparsesr.image.formats.FORMATS`."""
    overwrite: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return "the output" if self.path is None else printable(self.path)

    def check_size(self, height: int, width: int) -> None:
        """Raise LimitError if the format cannot hold an image of this size."""
        form = FORMATS[self.format]
        if max(height, width) > form.max_side_px:
            raise LimitError(
                f"{width}x{height} px is over {form.name}'s {form.max_side_px} px a side",
                where=self.name,
                remedy="write .png or .tif",
            )


def checked_destination(path: Path | None, *, overwrite: bool, format: str | None = None) -> Destination:
    """Check before any work that ``path`` can be written; None means memory.

    Raises:
        InputError: the file exists, is a folder, its folder is missing, or permission is missing.
        UsageError: the format is unknown.
    """
    if path is not None:
        _mode_of_file(path)  # first: the name of a folder says no format
    destination = Destination(path, resolve_format(path, format), overwrite)
    if path is not None:
        check_path(path, overwrite)
    return destination


def resolve_format(path: Path | None, wanted: str | None) -> str:
    """Return jpeg, png, webp, tiff, avif or jxl from an explicit name or the extension; UsageError for others."""
    if wanted is not None:
        by_kind = FORMATS.get(wanted.lower())
        extension = by_kind.extensions[0] if by_kind else "." + wanted.lstrip(".")
        return require_format(extension, wanted=wanted).kind
    if path is None:
        raise UsageError(
            "output to a stream or to memory needs a format", remedy=f"give one of {known_names()}"
        )
    return require_format(path.suffix, where=printable(path)).kind


def check_path(path: Path, overwrite: bool) -> None:
    """Raise InputError unless a file can be written there; see :func:`checked_destination`."""
    name = printable(path)
    mode = _mode_of_file(path)
    if mode is not None and not overwrite:
        raise _exists(path)
    if mode is not None and not stat.S_ISREG(mode):
        raise InputError("is not a regular file and cannot be replaced", where=name, remedy=_ELSEWHERE)
    try:
        folder = Path(os.path.realpath(path)).parent
    except OSError as error:  # a relative name, and the current folder was removed
        raise write_error(path, error) from None
    if not folder.is_dir():
        remedy = Wording("create it or choose another {}", "output")
        raise InputError(f"the folder {printable(folder)} does not exist", where=name, remedy=remedy)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(_NO_PERMISSION, where=name, remedy=_ELSEWHERE)


def _mode_of_file(path: Path) -> int | None:
    """None if nothing is there; InputError for a folder, and for a path that leads nowhere."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise write_error(path, error) from None
    if stat.S_ISDIR(mode):
        remedy = Wording("name the file to write with {}", "output")
        raise InputError("is a folder", where=printable(path), remedy=remedy)
    return mode


def _exists(path: Path) -> InputError:
    return InputError(
        "exists", where=printable(path), remedy=Wording("pass {} or another {}", "overwrite", "output")
    )


def write_error(path: Path | None, error: OSError | ValueError) -> InputError:
    """Convert a system error during writing to an InputError of one line."""
    number = error.errno if isinstance(error, OSError) else None
    strerror = getattr(error, "strerror", None) or str(error)
    reason, remedy = _REASONS.get(number or 0, (strerror, None))
    where = "the output" if path is None else printable(path)
    return InputError(f"cannot be written: {reason}", where=where, remedy=remedy)


@contextmanager
def atomic_file(path: Path, *, overwrite: bool) -> Generator[BinaryIO, None, None]:
    """Yield a file to write; if the block succeeds, it appears at ``path``, complete and synced to disk.

    On any failure or interruption nothing appears and nothing is left behind. Without ``overwrite``, a file
    that another process creates in the meantime is never replaced. System errors become InputError.
    """
    temporary: Path | None = None
    try:
        target = Path(os.path.realpath(path))  # a symbolic link is kept: its target is replaced
        remove_stale(target.parent)
        mode = stat.S_IMODE(target.stat().st_mode) if overwrite and target.exists() else None
        temporary, descriptor = create_temporary(target.parent)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
            _publish(temporary, target, overwrite)  # while the file is locked
            _sync_folder(target.parent)
    except FileExistsError:
        raise _exists(path) from None
    except (OSError, ValueError) as error:
        raise write_error(path, error) from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power failure, where the file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _publish(temporary: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(target)
        return
    try:
        os.link(temporary, target)  # fails atomically if the name is taken; a rename would not
    except FileExistsError:
        raise
    except OSError:  # a file system without links: reserve the name, then replace the reservation
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            temporary.replace(target)
        except OSError:
            target.unlink()
            raise
