"""``POST /v1/upscale``: bytes in, bytes out."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Depends, Request
from starlette.responses import StreamingResponse

from sparsesr.serve.bodies import received
from sparsesr.serve.names import as_attachment
from sparsesr.serve.routes.dependencies import (
    ERRORS,
    IMAGE_BODY,
    TheService,
    TheWishes,
    UploadName,
    check_parameters,
)
from sparsesr.serve.streaming import Streamed
from sparsesr.serve.upscaling import Result
from sparsesr.serve.waiting import outcome_of

router = APIRouter(tags=["upscale"], dependencies=[Depends(check_parameters)])


@router.post(
    "/v1/upscale",
    responses={**ERRORS, 200: {"content": {"image/*": {}}, "description": "The upscaled image."}},
    response_class=StreamingResponse,
    openapi_extra=IMAGE_BODY,
)
async def upscale(
    request: Request, service: TheService, name: UploadName, wishes: TheWishes
) -> StreamingResponse:
    """Upscale an image. The options are those of `sparsesr upscale`; leaving cancels the work."""
    service.job_lane.check_room()
    upload = await received(request, service.store, service.limits)
    try:
        task = service.upscale(upload, name, wishes)
        result = cast("Result", await outcome_of(task, service.job_lane, request))
    finally:
        upload.close()
    headers = {
        "Content-Length": str(result.file.size),
        "Content-Disposition": as_attachment(result.name),
        "Server-Timing": f"upscale;dur={1000 * result.record['seconds']:.1f}",
    }
    return Streamed(result.file.blocks(), result.mime, headers, result.close)
