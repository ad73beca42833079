"""Previews: a part of an image, upscaled at once."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import LimitError, Parameter, UsageError
from sparsesr.image.screen_png import screen_png
from sparsesr.serve.images import SourceImage
from sparsesr.serve.lane import Task


@dataclass(frozen=True)
class Part:
    """A rectangle of an input in its pixels, right and bottom excluded."""

    left: int
    top: int
    right: int
    bottom: int

    def check(self, image: SourceImage, most_pixels: int) -> None:
        """Raise UsageError unless it lies in the image, LimitError if it is too large."""
        is_inside = 0 <= self.left < self.right <= image.width and 0 <= self.top < self.bottom <= image.height
        if not is_inside:
            what = f"does not lie in the image of {image.width}x{image.height} px"
            raise UsageError(what, where=Parameter("left, top, right, bottom"))
        pixels = (self.right - self.left) * (self.bottom - self.top)
        if pixels > most_pixels:
            raise LimitError(
                f"{pixels} pixels are over the limit of {most_pixels} for a preview",
                remedy="ask for a smaller part",
            )


def preview_png(upscaler: Upscaler, image: SourceImage, part: Part, run: RunOptions, task: Task) -> bytes:
    """The part upscaled, as PNG. Its edges lack the context that they have in the whole image."""
    pixels = image.part(part.top, part.left, part.bottom - part.top, part.right - part.left)
    done = upscaler.for_jpeg(image.jpeg_quality)(
        pixels, effort=run.effort, target_ms=run.target_ms, keep_masks=False, cancelled=task.should_stop
    )
    upscaler.release_buffers()
    return screen_png(done.image, image.view.colours)
