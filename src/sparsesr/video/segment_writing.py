"""Writing of one segment: pictures through the encoder to a file."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from av import VideoFrame
from av.error import FFmpegError

from sparsesr.engine.execute import Progress
from sparsesr.errors import ResultError
from sparsesr.video.encoding import Encoding
from sparsesr.video.enlarging import EnlargedPicture
from sparsesr.video.segments import PacketFacts, Segment, Segments


class _SegmentFile:
    """Encodes pictures to the file of a segment, and collects the facts about it."""

    def __init__(self, encoding: Encoding, file: BinaryIO) -> None:
        self._encoding, self._file = encoding, file
        with self._failing_as_result():
            self._encoder: Any = encoding.opened_encoder()
        self._digest = hashlib.sha256()
        self._packets: list[PacketFacts] = []
        self._computed_px = self._last_duration = self._corrected = 0
        self._notes: dict[str, None] = {}
        self._deviation: float | None = None

    def add(self, picture: EnlargedPicture) -> None:
        self._write(self._encoding.frame(picture.planes, picture.pts))
        self._computed_px += picture.computed_px
        self._corrected += picture.is_corrected
        self._last_duration, self._deviation = picture.duration, picture.deviation_levels
        self._notes |= dict.fromkeys(picture.notes)

    def finished(self) -> Segment:
        self._write(None)
        return Segment(
            tuple(self._packets),
            self._last_duration,
            self._digest.hexdigest(),
            self._computed_px,
            self._corrected,
            notes=tuple(self._notes),
            deviation_levels=self._deviation,
        )

    def _write(self, frame: VideoFrame | None) -> None:
        for packet in self._encoded(frame):
            data = bytes(packet)
            self._file.write(data)
            self._digest.update(data)
            self._packets.append((len(data), packet.pts, bool(packet.is_keyframe)))

    def _encoded(self, frame: VideoFrame | None) -> Iterator[Any]:
        with self._failing_as_result():
            yield from cast("Iterable[Any]", self._encoder.encode(frame))

    @contextmanager
    def _failing_as_result(self) -> Generator[None, None, None]:
        try:
            yield
        except FFmpegError as error:
            raise ResultError(f"the encoder {self._encoding.codec.encoder} failed ({error})") from error


def write_segment(
    encoding: Encoding,
    segments: Segments,
    pictures: Iterator[EnlargedPicture],
    progress: Progress | None,
    total: int,
) -> Segment:
    """Encode pictures as the next segment, which counts once it is added to ``segments``.

    ``progress`` is called with (frames done, frames in all), ``total`` being an estimate. InputError if the file cannot
    be written.
    """
    done = segments.frames
    with segments.writing() as file:
        part = _SegmentFile(encoding, file)
        for picture in pictures:
            part.add(picture)
            done += 1
            if progress is not None:
                progress(done, max(done, total))
        return part.finished()
