"""Bodies of requests: written to a temporary file as they arrive, counted, and never waited for too long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from sparsesr.errors import InputError, LimitError
from sparsesr.limits import MEBIBYTE, ServeLimits
from sparsesr.serve.errors import SlowError
from sparsesr.serve.store import Store, StoredFile


async def received(request: Request, store: Store, limits: ServeLimits) -> StoredFile:
    """The body of a request.

    Raises:
        InputError: it is empty, a form, or the client left before its end.
        LimitError: it is too large.
        SlowError: it arrives too slowly.
    """
    _check_headers(request, limits)
    file = store.create()
    try:
        await _fill(file, request.stream(), limits)
        if file.size == 0:
            raise InputError("the request has no body", remedy="send the bytes of an image")
    except ClientDisconnect:
        file.close()
        raise InputError("the upload was cut short") from None
    except BaseException:
        file.close()
        raise
    return file


def _check_headers(request: Request, limits: ServeLimits) -> None:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.max_body_bytes:
        raise _too_large(limits)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        raise InputError(
            "the body is a form",
            remedy="send the bytes of the image alone",
        )


async def _fill(file: StoredFile, stream: AsyncIterator[bytes], limits: ServeLimits) -> None:
    deadline = time.monotonic() + limits.body_timeout_s
    while True:
        patience_s = min(limits.body_pause_s, deadline - time.monotonic())
        try:
            block = await asyncio.wait_for(anext(stream), max(patience_s, 0))
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:  # the built-in one from Python 3.11 on
            raise SlowError("the body arrives too slowly") from None
        if file.size + len(block) > limits.max_body_bytes:
            raise _too_large(limits)
        file.append(block)


def _too_large(limits: ServeLimits) -> LimitError:
    return LimitError(
        f"the body is over the limit of {limits.max_body_bytes // MEBIBYTE} MiB",
        remedy="shrink the image or cut it into parts",
    )
