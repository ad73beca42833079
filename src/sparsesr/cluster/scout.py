"""What a machine offers to a batch, and whether it sees the batch's files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sparsesr import __version__
from sparsesr.errors import InputError, SparsesrError, Wording
from sparsesr.image.destination import write_error
from sparsesr.image.source import printable
from sparsesr.image.temporary import create_temporary

_CONTENT_BYTES = 16


@dataclass(frozen=True)
class Probe:
    """A file in the folder of the results, by which other machines tell whether they see that folder."""

    path: Path
    content: str
    source: Path
    """One of the inputs."""


@contextmanager
def probing(folder: Path, source: Path) -> Generator[Probe, None, None]:
    """A probe in ``folder`` while the block lasts. InputError if it cannot be written."""
    try:
        path, descriptor = create_temporary(folder)
    except OSError as error:
        raise write_error(folder, error) from None
    content = secrets.token_hex(_CONTENT_BYTES)
    with os.fdopen(descriptor, "w") as file:  # its lock keeps other processes from removing it
        file.write(content)
        file.flush()
        try:
            yield Probe(path, content, source)
        finally:
            with suppress(OSError):
                path.unlink()


@dataclass(frozen=True)
class Facts:
    """What a machine offers."""

    version: str
    kernels: Mapping[str, str]
    gains: Mapping[str, float]
    free_bytes: int | None
    fault: SparsesrError | None
    """Why it cannot take part."""


def look_around(probe: Probe) -> Facts:
    """Find out the facts of this machine."""
    from sparsesr import _native
    from sparsesr.free_memory import free_bytes
    from sparsesr.runtime.precision import gains

    return Facts(__version__, _native.kernel_table(), gains(), free_bytes(), _fault(probe))


def _fault(probe: Probe) -> SparsesrError | None:
    folder = probe.path.parent
    shared = Wording("name a folder with {} that all machines share, under the same name", "output")
    try:
        seen = probe.path.read_text(encoding="ascii", errors="replace")
    except OSError:
        seen = ""
    if seen != probe.content:
        return InputError("is not visible there", where=printable(folder), remedy=shared)
    try:
        path, descriptor = create_temporary(folder)
    except OSError as error:
        return InputError(
            f"cannot be written there ({error.strerror})", where=printable(folder), remedy=shared
        )
    with os.fdopen(descriptor):
        path.unlink()
    if not probe.source.exists():
        remedy = "put the images into a folder that all machines share, under the same name"
        return InputError("is not visible there", where=printable(probe.source), remedy=remedy)
    return None
