"""Images: uploads that can be looked at, previewed, and upscaled several times."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response

from sparsesr.engine.execute import RunOptions
from sparsesr.serve.answers import ImageAnswer, image_answer
from sparsesr.serve.bodies import received
from sparsesr.serve.images import SourceImage
from sparsesr.serve.preview import Part
from sparsesr.serve.routes.dependencies import (
    ERRORS,
    IMAGE_BODY,
    PNG,
    TheService,
    UploadName,
    check_parameters,
    tile_answer,
)
from sparsesr.serve.service import Service
from sparsesr.serve.waiting import outcome_of
from sparsesr.serve.wishes import NetworkWishes, preview_networks, run_wishes

router = APIRouter(tags=["images"], responses=ERRORS, dependencies=[Depends(check_parameters)])


async def taken_in(request: Request, service: Service, name: str) -> tuple[str, SourceImage]:
    """Receive, decode and keep an upload; return its id. On any error nothing is kept."""
    service.images.check_room()
    service.view_lane.check_room()
    upload = await received(request, service.store, service.limits)
    try:
        task = service.open_image(upload, name)
        image = cast("SourceImage", await outcome_of(task, service.view_lane, request))
    except BaseException:
        upload.close()
        raise
    try:
        return service.images.add(image), image
    except BaseException:
        image.close()
        raise


@router.post("/v1/images", status_code=201, openapi_extra=IMAGE_BODY)
async def add(request: Request, service: TheService, name: UploadName) -> ImageAnswer:
    """Upload an image; it is kept until it is deleted, or nobody has asked for it for a while."""
    return image_answer(*await taken_in(request, service, name))


@router.get("/v1/images/{image_id}")
def show(image_id: str, service: TheService) -> ImageAnswer:
    """What is known about an image."""
    return image_answer(image_id, service.images.get(image_id))


@router.delete("/v1/images/{image_id}", status_code=204)
def remove(image_id: str, service: TheService) -> None:
    """Delete an image. Jobs that have begun go on."""
    service.images.remove(image_id)


@router.get("/v1/images/{image_id}/tiles/{level}/{column}/{row}", responses=PNG, response_class=Response)
def tile(image_id: str, level: int, column: int, row: int, service: TheService) -> Response:
    """A tile of an image; level 0 is the full size."""
    return tile_answer(service.images.get(image_id).view, level, column, row)


@router.get("/v1/images/{image_id}/preview", responses=PNG, response_class=Response)
async def preview(
    request: Request,
    image_id: str,
    part: Annotated[Part, Depends()],
    networks: Annotated[NetworkWishes, Depends(preview_networks)],
    run: Annotated[RunOptions, Depends(run_wishes)],
    service: TheService,
) -> Response:
    """A part of an image, upscaled at once. Its edges lack the context that they have in the whole image."""
    image = service.images.get(image_id)
    part.check(image, service.limits.max_preview_pixels)
    task = service.preview(image, part, networks, run)
    data = await outcome_of(task, service.view_lane, request)
    return Response(data, media_type="image/png")
