"""One upload upscaled: the file that the command line would write, and what a viewer shows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sparsesr.engine.execute import Progress
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.upscaler import Upscaler
from sparsesr.image.decoded_image import DecodedImage
from sparsesr.image.formats import FORMATS
from sparsesr.jobs.files import FileResult, upscale_file
from sparsesr.jobs.record import record_of
from sparsesr.limits import ServeLimits
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.serve.images import image_limits
from sparsesr.serve.lane import Task
from sparsesr.serve.names import mime_of, result_name
from sparsesr.serve.store import Store, StoredFile
from sparsesr.serve.upscalers import Upscalers
from sparsesr.serve.views import View, mask_view_of, view_of
from sparsesr.serve.wishes import Wishes

_MASK_VIEW_BYTES_PER_PX = 8


@dataclass(frozen=True)
class Result:
    """A finished file and its views."""

    file: StoredFile
    name: str
    mime: str
    record: dict[str, Any]
    """As of ``upscale --json``."""
    view: View | None = None
    mask: View | None = None

    def close(self) -> None:
        """Drop everything."""
        for each in (self.file, self.view, self.mask):
            if each is not None:
                each.close()


@dataclass
class Work:
    """What is upscaled, and how."""

    name: str
    data: Callable[[], bytes]
    wishes: Wishes
    upscalers: Upscalers
    store: Store
    limits: ServeLimits
    has_views: bool
    """Make the views too."""
    progress: Progress | None = None
    _view: View | None = None
    _kind: str = "png"

    def __call__(self, task: Task) -> Result:
        """Do the work. Raises the errors of :func:`upscale_file`, and leaves nothing behind then."""
        upscaler = self.upscalers.find(self.wishes.networks)
        try:
            done = self._upscaled(upscaler, task)
            return self._kept(upscaler, done, task)
        except BaseException:
            if self._view is not None:
                self._view.close()
            raise
        finally:
            upscaler.release_buffers()  # memory of one model would be missing for another

    def _upscaled(self, upscaler: Upscaler, task: Task) -> FileResult:
        def see(before: DecodedImage, after: DecodedImage) -> None:
            own = before.source_format if before.source_format in FORMATS else "png"
            self._kind = self.wishes.write.format or own
            if self.has_views:
                self._view = view_of(self.store, after, task.should_stop)

        options = replace(
            self.wishes.run,
            keep_masks=self.has_views and bool(mask_names(upscaler.model.graph)),
            progress=self.progress,
            cancelled=task.should_stop,
        )
        limits = image_limits(self.limits)
        return upscale_file(
            upscaler, self.data(), None, options, self.wishes.write, self.name, limits=limits, seen=see
        )

    def _kept(self, upscaler: Upscaler, done: FileResult, task: Task) -> Result:
        name = result_name(self.name, upscaler.label, self._kind)
        record = record_of(done, self.name, name)
        file = self.store.create(done.upscaled.image)
        try:
            mask = self._mask_view(done.upscaled, task)
        except BaseException:
            file.close()
            raise
        return Result(file, name, mime_of(self._kind), record, self._view, mask)

    def _mask_view(self, done: UpscaleResult, task: Task) -> View | None:
        if not done.masks:
            return None
        pixels = done.masks[0].size
        with self.upscalers.budget.reserved(
            pixels * (len(done.masks) + _MASK_VIEW_BYTES_PER_PX), task.should_stop
        ):
            return mask_view_of(self.store, done.masks)
