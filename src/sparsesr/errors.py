"""The error tree: what went wrong, and the exit status that the command line reports for it."""

from __future__ import annotations

from collections.abc import Callable


class SparsesrError(Exception):
    """Base of all errors that sparsesr raises on purpose.

    The message is one line and says what is wrong, where, and what to do about it.
    """

    code = "internal"
    exit_status = 1


class UsageError(SparsesrError):
    """The call itself is wrong: an unknown option value, an impossible combination."""

    code = "usage"
    exit_status = 2


class InputError(SparsesrError):
    """An input cannot be read or an output cannot be written."""

    code = "input"
    exit_status = 3


class ModelError(SparsesrError):
    """A model file or checkpoint is missing, damaged, or not one that sparsesr knows."""

    code = "model"
    exit_status = 3


class LimitError(SparsesrError):
    """The work would exceed a limit (pixels, memory, file size)."""

    code = "limit"
    exit_status = 4


class BackendError(SparsesrError):
    """A needed component (native extension, optional package) is missing or unusable."""

    code = "backend"
    exit_status = 1


class ResultError(SparsesrError):
    """An enlarged picture is not one (broken values, other colours), with the plainest kernels too."""

    code = "result"
    exit_status = 3


class CancelledError(SparsesrError):
    """The user interrupted the work."""

    code = "cancelled"
    exit_status = 130


def check_cancelled(cancelled: Callable[[], bool] | None) -> None:
    """Raise CancelledError if ``cancelled`` says True."""
    if cancelled is not None and cancelled():
        raise CancelledError("interrupted; nothing was written")
