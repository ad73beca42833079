"""What routes share: the service, the name of an upload, what can go wrong."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from sparsesr.engine.execute import RunOptions
from sparsesr.errors import Parameter, UsageError
from sparsesr.jobs.files import WriteOptions
from sparsesr.serve.answers import ErrorAnswer
from sparsesr.serve.errors import unknown
from sparsesr.serve.names import safe_name
from sparsesr.serve.service import Service
from sparsesr.serve.settings import Settings
from sparsesr.serve.views import View
from sparsesr.serve.wishes import NetworkWishes, Wishes, network_wishes, run_wishes, write_wishes

_SHOWN = 40
"""Characters of an unknown name in a message."""


def service_of(request: Request) -> Service:
    """The service of the app."""
    return request.app.state.service


def settings_of(request: Request) -> Settings:
    """The settings of the app."""
    return request.app.state.settings


async def check_parameters(request: Request) -> None:
    """Raise UsageError for a parameter that the route does not have, or that is given twice.

    A misspelled option, and all but the last of several values, would be ignored unsaid.
    """
    is_list = _parameters_of(request)
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in is_list:
            raise UsageError(f"there is no parameter {name[:_SHOWN]!r}", remedy=_hint(name, list(is_list)))
        if count > 1 and not is_list[name]:
            raise UsageError("is given twice", where=Parameter(name), remedy="leave all but one out")


def _parameters_of(request: Request) -> dict[str, bool]:
    """The parameters of the query, as the description of the API has them, and whether each takes several values."""
    operation = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    return {
        each["name"]: each["schema"].get("type") == "array"
        for each in operation.get("parameters", ())
        if each["in"] == "query"
    }


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name[:_SHOWN].lower(), known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"use {', '.join(known)}" if known else "leave it out"


def upload_name(
    name: Annotated[str | None, Query(description="Name of the file, for people; never a path.")] = None,
) -> str:
    """The name of an upload."""
    return safe_name(name)


def wishes_of(
    networks: Annotated[NetworkWishes, Depends(network_wishes)],
    run: Annotated[RunOptions, Depends(run_wishes)],
    write: Annotated[WriteOptions, Depends(write_wishes)],
) -> Wishes:
    """All options of ``upscale`` that a request may set."""
    return Wishes(networks, run, write)


TheService = Annotated[Service, Depends(service_of)]
TheSettings = Annotated[Settings, Depends(settings_of)]
UploadName = Annotated[str, Depends(upload_name)]
TheWishes = Annotated[Wishes, Depends(wishes_of)]

_MEANINGS = {
    400: "An option is wrong.",
    404: "There is no such image or job.",
    408: "The request or the work took too long.",
    413: "Over a limit.",
    422: "The body is not an image that can be read.",
    429: "Too much work waits; see Retry-After.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": meaning} for status, meaning in _MEANINGS.items()
}
IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The bytes of an image, in any format that `sparsesr upscale` reads.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def tile_answer(view: View | None, level: int, column: int, row: int) -> Response:
    """A tile of a view as PNG. Raises UnknownIdError if there is none there, or no view."""
    data = None if view is None else view.tile_png(level, column, row)
    if data is None:
        raise unknown("tile")
    return Response(data, media_type="image/png", headers=IMMUTABLE)


PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}, "description": "A PNG."}}
IMMUTABLE = {"Cache-Control": "private, max-age=3600, immutable"}
