"""``Service``: everything that requests share: images, jobs, lanes, models, space, figures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from sparsesr.engine.execute import RunOptions
from sparsesr.free_memory import resident_bytes
from sparsesr.limits import ServeLimits
from sparsesr.serve.errors import UnknownIdError
from sparsesr.serve.images import SourceImage, open_image
from sparsesr.serve.job import Job
from sparsesr.serve.lane import Lane, Task
from sparsesr.serve.metrics import Metrics
from sparsesr.serve.preview import Part, preview_png
from sparsesr.serve.savings import Savings, measure_savings
from sparsesr.serve.shelf import Shelf
from sparsesr.serve.store import Store, StoredFile
from sparsesr.serve.upscalers import Upscalers
from sparsesr.serve.upscaling import Work
from sparsesr.serve.wishes import NetworkWishes, Wishes


class Service:
    """Two lanes, so that looking at images never waits for a long job: ``jobs``, and ``views`` for all else."""

    def __init__(self, memory_bytes: int, threads: int | None, limits: ServeLimits) -> None:
        """``memory_bytes``: limit of the whole process. UsageError if it is too small."""
        self.limits = limits
        self.upscalers = Upscalers(memory_bytes, threads, limits)
        self.store = Store(limits.max_stored_bytes)
        self.images: Shelf[SourceImage] = Shelf("image", limits.max_images)
        self.jobs: Shelf[Job] = Shelf("job", limits.max_jobs)
        self.job_lane = Lane("sparsesr jobs", limits.max_queued)
        self.view_lane = Lane("sparsesr views", limits.max_queued)
        self.metrics = Metrics()
        self.is_closing = False
        self._watch_figures()

    def _watch_figures(self) -> None:
        watch, budget = self.metrics.watch, self.upscalers.budget
        watch("sparsesr_waiting_jobs", "Jobs that have not begun.", lambda: self.job_lane.waiting)
        watch("sparsesr_images", "Uploads that are kept.", lambda: len(self.images))
        watch("sparsesr_kept_jobs", "Jobs that are kept, in any state.", lambda: len(self.jobs))
        watch("sparsesr_stored_bytes", "Bytes in temporary files.", lambda: self.store.used_bytes)
        watch("sparsesr_reserved_bytes", "Memory of running work.", lambda: budget.reserved_bytes)
        watch("sparsesr_memory_limit_bytes", "Its limit.", lambda: budget.total_bytes)
        watch("sparsesr_resident_bytes", "Memory of this process.", resident_bytes)

    def open_image(self, upload: StoredFile, name: str) -> Task:
        """Decode an upload; the outcome is a SourceImage. Raises BusyError."""

        def work(task: Task) -> SourceImage:
            return open_image(upload, name, self.store, self.upscalers.budget, self.limits, task)

        return self._submit(self.view_lane, "open", work)

    def preview(self, image: SourceImage, part: Part, wishes: NetworkWishes, run: RunOptions) -> Task:
        """Upscale a part of an image; the outcome is a PNG. Raises BusyError."""

        def work(task: Task) -> bytes:
            return preview_png(self.upscalers.find(wishes), image, part, run, task)

        return self._submit(self.view_lane, "preview", work)

    def start_job(
        self, image_id: str, image: SourceImage, wishes: Wishes, *, owns_image: bool = False
    ) -> str:
        """Start a job; return its id. ``owns_image``: the image goes with it. Raises BusyError."""
        self.jobs.check_room()
        work = self._work(image.name, image.data, wishes, has_views=True)
        job = Job(image_id, image, wishes, Task(work, self.limits.job_timeout_s), owns_image)
        work.progress = job.report
        self._start(self.job_lane, "job", job.task)
        return self.jobs.add(job)

    def upscale(self, upload: StoredFile, name: str, wishes: Wishes) -> Task:
        """Upscale an upload at once; the outcome is a Result without views. Raises BusyError."""
        work = self._work(name, upload.read, wishes, has_views=False)
        return self._submit(self.job_lane, "upscale", work)

    def measure_savings(self, job: Job, record: Mapping[str, Any]) -> Task:
        """Measure what the masks of a job saved; the outcome is a Savings or None. Raises BusyError.

        ``record``: of its result, which has the effort that a target chose.
        """
        effort, network_ms = record["effort"], 1000 * record["network_seconds"]

        def work(task: Task) -> Savings | None:
            upscaler = self.upscalers.find(job.wishes.networks).for_jpeg(job.image.jpeg_quality)
            return measure_savings(upscaler, job.image, effort, network_ms, task)

        return self._submit(self.view_lane, "savings", work)

    def remove_job(self, job_id: str) -> None:
        """Cancel a job if it is not over, and drop its result. Raises UnknownIdError."""
        job = self.jobs.get(job_id)
        self.job_lane.cancel(job.task)
        self.jobs.remove(job_id)
        if job.owns_image:
            with contextlib.suppress(UnknownIdError):
                self.images.remove(job.image_id)

    def sweep(self) -> None:
        """Cancel jobs that nobody watches, and drop what nobody has asked for."""
        for _, job in self.jobs.unused_for(self.limits.abandoned_after_s):
            if not job.task.is_over:
                self.job_lane.cancel(job.task)
        for job_id, _ in self.jobs.unused_for(self.limits.expires_after_s):
            with contextlib.suppress(UnknownIdError):  # a client has just removed it
                self.remove_job(job_id)
        needed = {job.image_id for job in self.jobs.things() if not job.task.is_over}
        for image_id, _ in self.images.unused_for(self.limits.expires_after_s):
            if image_id not in needed:
                with contextlib.suppress(UnknownIdError):
                    self.images.remove(image_id)

    def close(self) -> None:
        """Cancel all work and drop everything; returns when that is done."""
        self.is_closing = True
        self.job_lane.close()
        self.view_lane.close()
        self.jobs.close()
        self.images.close()

    def _work(self, name: str, data: Callable[[], bytes], wishes: Wishes, *, has_views: bool) -> Work:
        return Work(name, data, wishes, self.upscalers, self.store, self.limits, has_views)

    def _submit(self, lane: Lane, kind: str, work: Callable[[Task], Any]) -> Task:
        return self._start(lane, kind, Task(work, self.limits.job_timeout_s))

    def _start(self, lane: Lane, kind: str, task: Task) -> Task:
        def count(outcome: Future[Any]) -> None:
            self.metrics.jobs.labels(kind, task.state).inc()
            if task.state == "done":
                self.metrics.seconds.labels(kind).observe(task.running_s)

        task.outcome.add_done_callback(count)
        lane.submit(task)
        return task
