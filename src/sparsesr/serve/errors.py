"""Errors that only a server has, and the HTTP status of every error."""

from __future__ import annotations

from sparsesr.errors import Parameter, SparsesrError, Wording

_STATUS_BY_CODE = {"usage": 400, "input": 422, "limit": 413, "model": 400, "cancelled": 409}
_SERVER_FAULT = 500
_NAMES = {"memory": "the server's limit of memory", "max_pixels": "the server's limit of pixels"}
_NOT_HERE = ("output", "overwrite", "skip_existing")
"""Parameters that requests do not have."""


class RefusedError(SparsesrError):
    """A request that may not be made, with its own HTTP status."""

    code = "refused"

    def __init__(
        self,
        what: str,
        *,
        where: str | Parameter | None = None,
        remedy: str | Wording | None = None,
        status: int = 400,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.status = status


class BusyError(SparsesrError):
    """Too much work waits; the client should come again."""

    code = "busy"

    def __init__(
        self,
        what: str,
        *,
        where: str | Parameter | None = None,
        remedy: str | Wording | None = None,
        retry_after_s: int = 1,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy or f"try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class UnknownIdError(SparsesrError):
    """There is no such image or job; it may have expired."""

    code = "unknown"


def unknown(kind: str) -> UnknownIdError:
    """The error for an id that is not known."""
    return UnknownIdError(f"there is no such {kind}", remedy="it may have expired: send the image again")


class SlowError(SparsesrError):
    """The work, or the client, took longer than the limit."""

    code = "timeout"


def http_status(error: SparsesrError) -> int:
    """The status of the answer that reports an error."""
    if isinstance(error, RefusedError):
        return error.status
    if isinstance(error, BusyError):
        return 429
    if isinstance(error, UnknownIdError):
        return 404
    if isinstance(error, SlowError):
        return 408
    return _STATUS_BY_CODE.get(error.code, _SERVER_FAULT)


def message_of(error: SparsesrError) -> str:
    """The line of an error, without advice that a client cannot follow."""
    remedy = error.remedy
    if isinstance(remedy, Wording) and any(name in _NOT_HERE for name in remedy.parameters):
        return SparsesrError(error.what, where=error.where).line(_named)
    return error.line(_named)


def _named(parameter: str) -> str:
    return _NAMES.get(parameter, parameter)
