"""The server itself: models, health, figures, session."""

from __future__ import annotations

import functools
from typing import Annotated

from fastapi import APIRouter, Header, Response

import sparsesr
from sparsesr.engine.networks import DEFAULT_SCALE
from sparsesr.errors import ModelError
from sparsesr.modelfile.catalogue import ModelEntry, default_model_for, list_models
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.reader import read_description
from sparsesr.serve.answers import ModelAnswer
from sparsesr.serve.errors import RefusedError
from sparsesr.serve.guard import same_secret
from sparsesr.serve.metrics import CONTENT_TYPE
from sparsesr.serve.routes.dependencies import TheService, TheSettings

router = APIRouter(tags=["server"])


@router.get("/v1/models")
def models() -> list[ModelAnswer]:
    """The models that requests can name; damaged files are left out."""
    described = (_described(entry) for entry in list_models())
    return [model for model in described if model is not None]


def _described(entry: ModelEntry) -> ModelAnswer | None:
    try:
        return _description(entry, default_model_for(DEFAULT_SCALE).name)
    except ModelError:
        return None


@functools.lru_cache(maxsize=64)
def _description(entry: ModelEntry, default: str) -> ModelAnswer:
    read = read_description(entry.path)
    return ModelAnswer(
        name=entry.name,
        scales=list(read.scales),
        description=" ".join((entry.description or read.facts.description).split()),
        has_masks=bool(mask_names(read.graph)),
        is_default=entry.name == default,
    )


@router.get("/healthz")
def health(service: TheService) -> dict[str, str]:
    """Whether the server takes work."""
    if service.is_closing:
        raise RefusedError("the server is stopping", status=503)
    return {"status": "ok", "version": sparsesr.__version__}


@router.get("/metrics", response_class=Response)
def metrics(service: TheService) -> Response:
    """Figures for Prometheus."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


@router.post("/v1/session", status_code=204)
def session(settings: TheSettings, response: Response, authorization: Annotated[str, Header()] = "") -> None:
    """Exchange the token for a cookie, which only this server's pages can use."""
    token = settings.token
    if token is None:
        return
    if not same_secret(authorization.removeprefix("Bearer ").strip(), token):
        raise RefusedError("this is not the server's token", status=401)
    response.set_cookie(settings.cookie_name, settings.cookie, httponly=True, samesite="strict")
