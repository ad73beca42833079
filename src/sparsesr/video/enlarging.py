"""Enlarging of the pictures of a clip, and their planes for the encoder."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from sparsesr.engine.plan import Box
from sparsesr.engine.sequence import FrameResult, FrameSequence
from sparsesr.video.clip import Clip
from sparsesr.video.colour import Planes, YuvForm, empty_planes, write_planes
from sparsesr.video.decoding import Picture


@dataclass(frozen=True)
class EnlargedPicture:
    """A picture to encode."""

    pts: int
    """Time of display, in the clip's time base."""
    duration: int
    is_corrected: bool
    """True if the time stamp was missing or did not increase."""
    planes: Planes
    """Never changed again."""
    computed_px: int
    """Pixels of the input that the network ran over."""
    notes: tuple[str, ...]
    deviation_levels: float | None
    """Largest deviation of kept pixels that was measured so far, in levels of 255."""


def enlarged(
    sequence: FrameSequence, clip: Clip, form: YuvForm, pictures: Iterator[Picture], segment_frames: int
) -> Generator[EnlargedPicture, None, None]:
    """Enlarge pictures. Each segment begins afresh, so that resuming at one gives the same bits."""
    planes: Planes = ()
    for index, picture in enumerate(pictures):
        if index % segment_frames == 0:
            sequence.restart()
        frame = sequence.enlarged(picture.rgb)
        planes = _updated(form, planes, frame, clip)
        found = sequence.deviation
        yield EnlargedPicture(
            picture.pts,
            picture.duration,
            picture.is_corrected,
            planes,
            frame.computed_px,
            frame.notes,
            None if found is None else found.max_levels,
        )


def _updated(form: YuvForm, before: Planes, frame: FrameResult, clip: Clip) -> Planes:
    """The planes of a frame: new ones, as the encoder may still read those of the frame before."""
    if not frame.changed:
        return before
    height, width = frame.image.shape[:2]
    planes = tuple(plane.copy() for plane in before) or empty_planes(form, height, width)
    for box in frame.changed:
        write_planes(form, frame.image, planes, _scaled(box, (height, width), clip))
    return planes


def _scaled(box: Box, size: tuple[int, int], clip: Clip) -> Box:
    """The box in a result of (height, width) for a box of the input."""
    height, width = size
    return Box(
        box.top * height // clip.height,
        box.left * width // clip.width,
        -(-box.bottom * height // clip.height),
        -(-box.right * width // clip.width),
    )
