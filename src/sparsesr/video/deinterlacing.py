"""Deinterlacing with FFmpeg's bwdif (Weston 3-field filter with motion adaptation): one picture for each frame."""

from __future__ import annotations

from collections.abc import Iterator

from av import VideoFrame
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as EndOfFile
from av.filter import Graph
from av.video.stream import VideoStream


class Deinterlacer:
    """Deinterlaces the frames of a stream; progressive ones pass through."""

    def __init__(self, stream: VideoStream) -> None:
        self._graph = Graph()
        source = self._graph.add_buffer(template=stream)
        bwdif = self._graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        sink = self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()

    def filtered(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """The deinterlaced frames, in a time base that they state."""
        for frame in frames:
            self._graph.push(frame)
            yield from self._ready()
        self._graph.push(None)
        yield from self._ready()

    def _ready(self) -> Iterator[VideoFrame]:
        while True:
            try:
                frame = self._graph.pull()
            except (NothingYet, EndOfFile):
                return
            if isinstance(frame, VideoFrame):
                yield frame
