"""Where a picture is written: may it be, and how it gets there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sparsesr.errors import InputError, LimitError, UsageError
from sparsesr.image.source import printable

FORMATS = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".png": "png",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}
_MAX_SIDE_PX = {"jpeg": 65_500, "webp": 16_383, "png": 1_000_000, "tiff": 1_000_000}
_NAMES = {"jpeg": "JPEG", "webp": "WebP", "png": "PNG", "tiff": "TIFF"}
_REASONS = {
    errno.ENOSPC: "no space left on the disk; free some or write elsewhere with -o",
    errno.EDQUOT: "the disk quota is used up; free some space or write elsewhere with -o",
    errno.EFBIG: "the file would be larger than the system allows; write elsewhere or a smaller format",
    errno.EACCES: "no permission to write there; choose another folder with -o",
    errno.EPERM: "no permission to write there; choose another folder with -o",
    errno.EROFS: "the file system is read-only; choose another folder with -o",
    errno.ENAMETOOLONG: "the name is too long; choose another with -o",
}


def resolve_format(path: Path | None, wanted: str | None) -> str:
    """Return jpeg, png, webp or tiff from an explicit name or the extension; UsageError for others."""
    known = "use .jpg, .png, .webp or .tif"
    if wanted is not None:
        found = FORMATS.get("." + wanted.lower().lstrip("."))
        if found is None:
            raise UsageError(f"cannot write the format {wanted!r}; {known}")
        return found
    if path is None:
        raise UsageError("output to a stream or to memory needs a format; give one of jpeg, png, webp, tiff")
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"{printable(path)}: cannot write the format {path.suffix or '(no extension)'!r}; {known}"
        )
    return found


def check_destination(
    path: Path | None, height: int, width: int, *, overwrite: bool, format: str | None = None
) -> str:
    """Raise what writing a ``height`` x ``width`` picture to ``path`` would raise, before any work is done.

    Returns the format. InputError: exists, a folder, folder missing, no permission. LimitError: too large for
    the format. UsageError: unknown format. ``path`` None means bytes or a stream.
    """
    kind = resolve_format(path, format)
    limit = _MAX_SIDE_PX[kind]
    if max(height, width) > limit:
        target = "the output" if path is None else printable(path)
        raise LimitError(
            f"{target}: {width}x{height} px is over {_NAMES[kind]}'s {limit} px a side; write .png or .tif"
        )
    if path is not None:
        _check_path(path, overwrite)
    return kind


def _check_path(path: Path, overwrite: bool) -> None:
    name = printable(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    except (OSError, ValueError) as error:
        raise write_error(path, error) from None
    if mode is not None and stat.S_ISDIR(mode):
        raise InputError(f"{name}: is a folder; name the file to write with -o")
    if mode is not None and not overwrite:
        raise _exists(path)
    if mode is not None and not stat.S_ISREG(mode):
        raise InputError(f"{name}: is not a regular file and cannot be replaced; choose another -o")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise InputError(
            f"{name}: the folder {printable(folder)} does not exist; create it or choose another -o"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{name}: {_REASONS[errno.EACCES]}")


def _exists(path: Path) -> InputError:
    return InputError(f"{printable(path)}: exists; pass --overwrite or another -o")


def write_error(path: Path | None, error: OSError | ValueError) -> InputError:
    """Turn a system error while writing into a one-line InputError."""
    number = error.errno if isinstance(error, OSError) else None
    strerror = getattr(error, "strerror", None) or str(error)
    reason = _REASONS.get(number or 0, strerror)
    return InputError(f"{'the output' if path is None else printable(path)}: cannot be written: {reason}")


@contextmanager
def atomic_file(path: Path, *, overwrite: bool) -> Generator[BinaryIO, None, None]:
    """Yield a file to write; when the block ends well it appears under ``path``, complete and on the disk.

    On any failure or interruption nothing appears and nothing is left behind. Without ``overwrite`` a file
    that somebody else creates meanwhile is never replaced. System errors become InputError.
    """
    target = Path(os.path.realpath(path))  # a symbolic link stays one: its target is replaced
    temporary = target.with_name(f".sparsesr-{secrets.token_hex(8)}.tmp")
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if overwrite and target.exists() else None
        descriptor = os.open(
            temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666
        )
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        _publish(temporary, target, overwrite)
    except FileExistsError:
        raise _exists(path) from None
    except (OSError, ValueError) as error:
        raise write_error(path, error) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _publish(temporary: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(target)
        return
    try:
        os.link(temporary, target)  # fails when the name is taken, atomically; a rename would not
    except FileExistsError:
        raise
    except OSError:  # a file system without links: reserve the name, then replace the reservation
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            temporary.replace(target)
        except OSError:
            target.unlink()
            raise
