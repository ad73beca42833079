"""``SourceImage``: an upload, decoded once so that it can be shown and previewed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sparsesr.engine.budget import MemoryBudget
from sparsesr.errors import LimitError
from sparsesr.image.decode import decode
from sparsesr.image.decoded_image import DecodedImage
from sparsesr.limits import ImageLimits, ServeLimits
from sparsesr.serve.errors import unknown
from sparsesr.serve.lane import Task
from sparsesr.serve.store import Store, StoredFile
from sparsesr.serve.views import View, view_of

_BYTES_PER_PX = 12
"""Of decoding: 16-bit samples with alpha, and their tiles."""


@dataclass(frozen=True)
class SourceImage:
    """The bytes of an upload and what is known about them."""

    name: str
    upload: StoredFile
    view: View
    height: int
    width: int
    format: str
    jpeg_quality: int | None
    bits: int
    has_alpha: bool
    notes: tuple[str, ...]

    def data(self) -> bytes:
        """The upload. Raises UnknownIdError if it has been removed."""
        data = self.upload.read()
        if not data:
            raise unknown("image")
        return data

    def part(self, top: int, left: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        """(height, width, 3 or 4) pixels. Raises UnknownIdError if the image has been removed."""
        pixels = self.view.pyramid.region(top, left, height, width)
        if pixels is None:
            raise unknown("image")
        return pixels

    def close(self) -> None:
        """Drop upload and tiles."""
        self.upload.close()
        self.view.close()


def image_limits(limits: ServeLimits) -> ImageLimits:
    """The limits of a server as those of decoding and upscaling."""
    return ImageLimits(
        max_pixels=limits.max_pixels,
        max_result_pixels=limits.max_result_pixels,
        max_file_bytes=limits.max_body_bytes,
    )


def open_image(
    upload: StoredFile, name: str, store: Store, budget: MemoryBudget, limits: ServeLimits, task: Task
) -> SourceImage:
    """Decode an upload and cut it into tiles. Raises the errors of :func:`sparsesr.image.decode.decode`."""
    most = image_limits(limits)
    with budget.entrance(task.should_stop):  # nobody else takes memory meanwhile
        free = replace(most, max_pixels=min(most.max_pixels, max(budget.free_bytes // _BYTES_PER_PX, 1)))
        try:
            image, view = _opened(upload, name, store, free, task)
        except LimitError as error:
            if free == most or not error.asks_for("max_pixels"):
                raise
            with budget.reserved(budget.total_bytes, task.should_stop):
                image, view = _opened(upload, name, store, most, task)
    return SourceImage(
        name,
        upload,
        view,
        image.height,
        image.width,
        image.source_format,
        image.jpeg_quality,
        image.bits,
        image.alpha is not None,
        tuple(image.notes),
    )


def _opened(
    upload: StoredFile, name: str, store: Store, limits: ImageLimits, task: Task
) -> tuple[DecodedImage, View]:
    image = decode(upload.read(), limits, task.should_stop, name)
    return image, view_of(store, image, task.should_stop)
