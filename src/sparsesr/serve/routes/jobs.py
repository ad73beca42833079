"""Jobs: upscaling that a client watches, cancels, and fetches the result of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from sparsesr.errors import UsageError
from sparsesr.serve.answers import JobAnswer, SavingsAnswer, job_answer
from sparsesr.serve.errors import RefusedError
from sparsesr.serve.events import event_stream
from sparsesr.serve.job import Job
from sparsesr.serve.names import as_attachment
from sparsesr.serve.routes.dependencies import (
    ERRORS,
    IMAGE_BODY,
    PNG,
    TheService,
    TheWishes,
    UploadName,
    check_parameters,
    tile_answer,
)
from sparsesr.serve.routes.images import taken_in
from sparsesr.serve.savings import Savings
from sparsesr.serve.service import Service
from sparsesr.serve.streaming import Streamed
from sparsesr.serve.upscaling import Result
from sparsesr.serve.waiting import outcome_of
from sparsesr.serve.zip_stream import zip_blocks

router = APIRouter(tags=["jobs"], responses=ERRORS, dependencies=[Depends(check_parameters)])
JobIds = Annotated[list[str], Query(alias="job", description="Id of a job; repeatable.")]


def described(job_id: str, job: Job, service: Service) -> JobAnswer:
    """The state of a job, with its place in the queue."""
    return job_answer(job_id, job, service.job_lane.place_of(job.task))


@router.post("/v1/jobs", status_code=202, openapi_extra=IMAGE_BODY)
async def start(
    request: Request,
    service: TheService,
    name: UploadName,
    wishes: TheWishes,
    image: Annotated[
        str | None, Query(description="Id of an image that has been uploaded, instead of a body.")
    ] = None,
) -> JobAnswer:
    """Start a job for the image in the body, or for one that has been uploaded."""
    service.job_lane.check_room()
    service.jobs.check_room()
    if image is not None:
        job_id = service.start_job(image, service.images.get(image), wishes)
    else:
        image_id, source = await taken_in(request, service, name)
        try:
            job_id = service.start_job(image_id, source, wishes, owns_image=True)
        except BaseException:
            service.images.remove(image_id)
            raise
    return described(job_id, service.jobs.get(job_id), service)


@router.get("/v1/jobs/{job_id}")
def show(job_id: str, service: TheService) -> JobAnswer:
    """The state of a job."""
    return described(job_id, service.jobs.get(job_id), service)


@router.delete("/v1/jobs/{job_id}", status_code=204)
def remove(job_id: str, service: TheService) -> None:
    """Cancel a job, or delete its result."""
    service.remove_job(job_id)


@router.get("/v1/events", response_class=StreamingResponse)
def events(service: TheService, jobs: JobIds) -> StreamingResponse:
    """Server-sent events: the state of these jobs whenever it changes, until all are over."""
    if len(jobs) > service.limits.max_jobs:
        raise UsageError(f"{len(jobs)} jobs are too many")

    def describe(job_id: str) -> JobAnswer:
        return described(job_id, service.jobs.get(job_id), service)

    stream = event_stream(jobs, describe, lambda: service.is_closing)
    return StreamingResponse(stream, media_type="text/event-stream")


@router.get("/v1/jobs/{job_id}/result", response_class=StreamingResponse)
def result(job_id: str, service: TheService) -> StreamingResponse:
    """The upscaled file."""
    found = finished(service.jobs.get(job_id))
    headers = {
        "Content-Length": str(found.file.size),
        "Content-Disposition": as_attachment(found.name),
    }
    return Streamed(found.file.blocks(), found.mime, headers, held_by([found]))


@router.get("/v1/results.zip", response_class=StreamingResponse)
def results(service: TheService, jobs: JobIds) -> StreamingResponse:
    """The upscaled files of several jobs."""
    found = [finished(service.jobs.get(job_id)) for job_id in dict.fromkeys(jobs)]
    headers = {"Content-Disposition": as_attachment("upscaled.zip")}
    return Streamed(zip_blocks(found), "application/zip", headers, held_by(found))


@router.get("/v1/jobs/{job_id}/tiles/{level}/{column}/{row}", responses=PNG, response_class=Response)
def tile(job_id: str, level: int, column: int, row: int, service: TheService) -> Response:
    """A tile of the result; level 0 is the full size."""
    return tile_answer(finished(service.jobs.get(job_id)).view, level, column, row)


@router.get("/v1/jobs/{job_id}/mask/{level}/{column}/{row}", responses=PNG, response_class=Response)
def mask_tile(job_id: str, level: int, column: int, row: int, service: TheService) -> Response:
    """A tile of the overlay that shows where the network worked, at the size of the input."""
    return tile_answer(finished(service.jobs.get(job_id)).mask, level, column, row)


@router.get("/v1/jobs/{job_id}/savings")
async def savings(request: Request, job_id: str, service: TheService) -> SavingsAnswer:
    """What the masks saved; measured on sample rows when it is asked for the first time."""
    job = service.jobs.get(job_id)
    record = finished(job).record
    if finished(job).mask is None:
        raise RefusedError("the network of this job has no masks", status=404)
    if job.savings is None:
        task = service.measure_savings(job, record)
        job.savings = cast("Savings | None", await outcome_of(task, service.view_lane, request))
    measured = job.savings
    if measured is None:
        raise RefusedError("the image is too small to measure savings", status=404)
    return SavingsAnswer(
        share_skipped=record["macs_saved"],
        density=record["density"],
        macs=record["macs"],
        macs_dense=record["macs_dense"],
        modules=list(record["densities"].values()),
        ms=measured.ms,
        ms_dense=measured.ms_dense,
        ms_saved=measured.ms_dense - measured.ms,
        sample_rows=measured.sample_rows,
    )


def held_by(results: Iterable[Result]) -> Callable[[], None]:
    """Keep the files of results, also from clients that delete them, until the function that is returned is called."""
    with ExitStack() as holds:
        for each in results:
            holds.enter_context(each.file.held())
        return holds.pop_all().close


def finished(job: Job) -> Result:
    """The result of a job. Raises RefusedError if there is none yet, or its own error."""
    if job.error is not None:
        raise job.error
    if job.result is None:
        raise RefusedError("the job is not done yet", remedy="watch /v1/events", status=409)
    return job.result
