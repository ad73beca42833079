"""Images through a pipe: one after another, with the model loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, InputError, LimitError
from sparsesr.jobs.batch import Attempt, attempted, located
from sparsesr.jobs.files import FileResult, WriteOptions, upscale_file
from sparsesr.jobs.frames import FrameReader

Watch = Callable[[str], AbstractContextManager[RunOptions]]
"""Maps an image's name to its run options; the context stays open while the image is processed."""


def upscale_frames(
    upscaler: Upscaler, frames: FrameReader, write_options: WriteOptions, watch: Watch
) -> Iterator[tuple[str, Attempt]]:
    """Upscale encoded images; yield (``image 1`` ..., outcome) for each, as it is done.

    A bad image does not stop the others. A bad frame does, as where the next one begins is unknown; so does a
    CancelledError. Both are yielded.
    """
    for number in count(1):
        name = f"image {number}"
        try:
            data = frames.next()
        except LimitError as error:
            yield name, located(error, name)
            continue
        except InputError as error:
            yield name, located(error, name)
            return
        if data is None:
            return
        outcome = _upscaled(upscaler, data, write_options, watch, name)
        yield name, outcome
        if isinstance(outcome, CancelledError):
            return


def _upscaled(
    upscaler: Upscaler, data: bytes, write_options: WriteOptions, watch: Watch, name: str
) -> Attempt:
    def work() -> FileResult:
        with watch(name) as options:
            return upscale_file(upscaler, data, None, options, write_options, name)

    return attempted(work, name)
