"""The page: static files of the package, read once; a request only chooses among their names."""

from __future__ import annotations

import functools
from importlib import resources

from fastapi import APIRouter, Response

from sparsesr.serve.errors import RefusedError

router = APIRouter(include_in_schema=False)
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FRESH = {"Cache-Control": "no-cache"}


@functools.cache
def _files() -> dict[str, bytes]:
    folder = resources.files("sparsesr.serve") / "page"
    return {file.name: file.read_bytes() for file in folder.iterdir() if _suffix(file.name) in _TYPES}


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


@router.get("/")
def index() -> Response:
    """The page."""
    return file("index.html")


@router.get("/docs")
def docs() -> Response:
    """The description of the API."""
    return file("api.html")


@router.get("/page/{name}")
def file(name: str) -> Response:
    """A file of the page."""
    data = _files().get(name)
    if data is None:
        raise RefusedError("there is no such page", status=404)
    return Response(data, media_type=_TYPES[_suffix(name)], headers=_FRESH)
