"""``make_app``: the service behind HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

import sparsesr
from sparsesr.errors import SparsesrError, UsageError, unexpected
from sparsesr.serve.answers import error_answer
from sparsesr.serve.counting import Counting
from sparsesr.serve.errors import RefusedError
from sparsesr.serve.guard import Guard
from sparsesr.serve.head_requests import HeadRequests
from sparsesr.serve.routes import images, jobs, page, server, upscale
from sparsesr.serve.security_headers import SecurityHeaders
from sparsesr.serve.service import Service
from sparsesr.serve.settings import Settings

_SWEEP_INTERVAL_S = 5.0
_ABOUT = (
    "Upscale images, computing only where there is detail."
    " Options have the names and the meaning of `sparsesr upscale`."
)


def make_app(service: Service, settings: Settings) -> ASGIApp:
    """The ASGI application; its end closes the service."""
    app = FastAPI(
        title="sparsesr",
        description=_ABOUT,
        version=sparsesr.__version__,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.service, app.state.settings = service, settings
    for router in (upscale.router, images.router, jobs.router, server.router, page.router):
        app.include_router(router)
    app.add_exception_handler(SparsesrError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)
    # Around the whole application, so that answers to unforeseen errors have the headers too.
    return HeadRequests(Counting(SecurityHeaders(Guard(app, settings)), service.metrics))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    service: Service = app.state.service
    sweeping = asyncio.create_task(_sweep(service))
    yield
    sweeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sweeping
    await asyncio.to_thread(service.close)


async def _sweep(service: Service) -> None:
    while True:
        await asyncio.sleep(_SWEEP_INTERVAL_S)
        service.sweep()


async def _known(request: Request, error: Exception) -> Response:
    return error_answer(error if isinstance(error, SparsesrError) else unexpected(error))


async def _unknown(request: Request, error: Exception) -> Response:
    return error_answer(unexpected(error))


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return error_answer(unexpected(error))
    first = error.errors()[0]
    return error_answer(UsageError(str(first["msg"]).lower(), where=str(first["loc"][-1])))


async def _http(request: Request, error: Exception) -> Response:
    status, what = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return error_answer(RefusedError(what.lower(), status=status))
