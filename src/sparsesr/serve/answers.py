"""Bodies of answers: images, jobs, models, errors; they also describe the API in ``/openapi.json``."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from sparsesr.errors import SparsesrError
from sparsesr.serve.errors import BusyError, RefusedError, http_status, message_of
from sparsesr.serve.images import SourceImage
from sparsesr.serve.job import Job
from sparsesr.serve.lane import State

_HOPELESS = (408, 431, 500)
"""After these the connection is closed."""


class ErrorFacts(BaseModel):
    """An error: a code for programs and a line for people."""

    code: str
    message: str


class ErrorAnswer(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorFacts


class ViewFacts(BaseModel):
    """Tiles of an image: sizes (width, height) of its levels, each half of the one before."""

    tile_px: int
    levels: list[tuple[int, int]]


class ImageAnswer(BaseModel):
    """An upload."""

    id: str
    name: str
    width: int
    height: int
    bytes: int
    format: str
    bits: int
    has_alpha: bool
    notes: list[str]
    view: ViewFacts


class ResultFacts(BaseModel):
    """A finished file."""

    name: str
    type: str
    bytes: int
    record: dict[str, Any]
    """As of ``sparsesr upscale --json``."""
    view: ViewFacts | None
    mask: ViewFacts | None


class JobAnswer(BaseModel):
    """A job. ``progress`` is 0 to 1; ``before`` counts jobs that come first."""

    id: str
    image: str
    name: str
    state: State
    progress: float
    seconds: float
    seconds_left: float | None
    before: int
    result: ResultFacts | None
    error: ErrorFacts | None


class SavingsAnswer(BaseModel):
    """What masks saved. Times are of the network; the dense one is estimated from runs on sample rows."""

    share_skipped: float
    density: float
    macs: int
    macs_dense: int
    modules: list[float]
    """Density of each mask, in order."""
    ms: float
    ms_dense: float
    ms_saved: float
    sample_rows: int


class ModelAnswer(BaseModel):
    """A model that can be named in requests."""

    name: str
    scales: list[int]
    description: str
    has_masks: bool
    is_default: bool


def image_answer(image_id: str, image: SourceImage) -> ImageAnswer:
    """What is known about an upload."""
    return ImageAnswer(
        id=image_id,
        name=image.name,
        width=image.width,
        height=image.height,
        bytes=image.upload.size,
        format=image.format,
        bits=image.bits,
        has_alpha=image.has_alpha,
        notes=list(image.notes),
        view=ViewFacts(**image.view.facts()),
    )


def job_answer(job_id: str, job: Job, before: int) -> JobAnswer:
    """The state of a job."""
    error = job.error
    return JobAnswer(
        id=job_id,
        image=job.image_id,
        name=job.image.name,
        state=job.task.state,
        progress=round(job.progress, 4),
        seconds=round(job.seconds, 3),
        seconds_left=None if job.seconds_left is None else round(job.seconds_left, 2),
        before=before,
        result=_result_facts(job),
        error=None if error is None else error_facts(error),
    )


def _result_facts(job: Job) -> ResultFacts | None:
    result = job.result
    if result is None:
        return None
    return ResultFacts(
        name=result.name,
        type=result.mime,
        bytes=result.file.size,
        record=finite(result.record),
        view=None if result.view is None else ViewFacts(**result.view.facts()),
        mask=None if result.mask is None else ViewFacts(**result.mask.facts()),
    )


def finite(value: Any) -> Any:
    """The value for JSON, which has no infinities: null instead."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def error_facts(error: SparsesrError) -> ErrorFacts:
    """Code and line of an error."""
    return ErrorFacts(code=error.code, message=" ".join(message_of(error).split()))


def error_answer(error: SparsesrError) -> JSONResponse:
    """The answer that reports an error."""
    headers: dict[str, str] = {}
    if isinstance(error, BusyError):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, RefusedError) and error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if http_status(error) in _HOPELESS:
        headers["Connection"] = "close"
    body = ErrorAnswer(error=error_facts(error)).model_dump()
    return JSONResponse(body, http_status(error), headers)
