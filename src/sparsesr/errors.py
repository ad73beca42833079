"""The error tree. Each error holds what went wrong, where, the remedy, and the exit status of the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Naming = Callable[[str], str]
"""Maps the name of a parameter to the name that the reader knows, such as a command-line option."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the call, as the location of an error."""

    name: str


class Wording:
    """A text with one ``{}`` for each parameter of the call that it names."""

    def __init__(self, text: str, *parameters: str) -> None:
        self.text = text
        self.parameters = parameters

    def worded(self, named: Naming = str) -> str:
        """The text, with parameters named as the reader knows them."""
        text = self.text
        for parameter in self.parameters:
            text = text.replace("{}", named(parameter), 1)
        return text


class SparsesrError(Exception):
    """Base class of all errors that sparsesr raises on purpose; ``str`` gives one line, ``where: what; remedy``."""

    code = "internal"
    exit_status = 1

    def __init__(
        self, what: str, *, where: str | Parameter | None = None, remedy: str | Wording | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        """A file, a model or a parameter."""
        self.remedy = remedy

    def __str__(self) -> str:
        return self.line()

    def asks_for(self, parameter: str) -> bool:
        """True if the remedy is to change this parameter of the call."""
        return isinstance(self.remedy, Wording) and parameter in self.remedy.parameters

    def line(self, named: Naming = str) -> str:
        """The whole message on one line."""
        where = named(self.where.name) if isinstance(self.where, Parameter) else self.where
        remedy = self.remedy.worded(named) if isinstance(self.remedy, Wording) else self.remedy
        place = f"{where}: " if where else ""
        return f"{place}{self.what}; {remedy}" if remedy else f"{place}{self.what}"


class UsageError(SparsesrError):
    """The call itself is wrong: an unknown option value, an impossible combination."""

    code = "usage"
    exit_status = 2


class InputError(SparsesrError):
    """An input cannot be read or an output cannot be written."""

    code = "input"
    exit_status = 3


class ModelError(SparsesrError):
    """A model file or checkpoint is missing, damaged or unsupported."""

    code = "model"
    exit_status = 3


class LimitError(SparsesrError):
    """A limit (pixels, memory, file size) would be exceeded."""

    code = "limit"
    exit_status = 4


class MemoryShortError(LimitError):
    """The system refused memory that the limit would have allowed."""


class BackendError(SparsesrError):
    """A required component (native extension, optional package) is missing or unusable."""

    code = "backend"
    exit_status = 1


class ResultError(SparsesrError):
    """An upscaled image is implausible (invalid values, shifted colours) even with the scalar kernels."""

    code = "result"
    exit_status = 3


class CancelledError(SparsesrError):
    """The user interrupted the work."""

    code = "cancelled"
    exit_status = 130


def unexpected(error: Exception, where: str | None = None) -> SparsesrError:
    """Wrap an unforeseen exception, which becomes the cause: in an internal error, unless memory was short.

    ``where``: the image that was worked on, if there was one.
    """
    wrapped = SparsesrError(f"internal error: {type(error).__name__}: {error}", where=where)
    if isinstance(error, MemoryError):
        other = "raise the limit of this process (ulimit -v)" if where is None else "shrink the image"
        wrapped = LimitError("not enough memory", where=where, remedy=f"free some memory, or {other}")
    wrapped.__cause__ = error
    return wrapped


def check_cancelled(cancelled: Callable[[], bool] | None) -> None:
    """Raise CancelledError if ``cancelled`` returns True."""
    if cancelled is not None and cancelled():
        raise CancelledError("interrupted", remedy="nothing was written")
