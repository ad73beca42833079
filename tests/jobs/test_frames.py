"""Frames of a pipe: what is read, what is refused, and that a length alone takes no memory."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from sparsesr.errors import InputError, LimitError
from sparsesr.jobs.frames import FrameReader, write_frame


def reader(data: bytes, most: int = 1000) -> FrameReader:
    return FrameReader(io.BufferedReader(io.BytesIO(data)), most)


def test_frames_follow_each_other_until_the_end():
    stream = io.BytesIO()
    for data in (b"one", b"", b"\n7\n"):
        write_frame(stream, data)
    assert stream.getvalue() == b"3\none0\n3\n\n7\n"
    frames = reader(stream.getvalue())
    assert [frames.next() for _ in range(4)] == [b"one", b"", b"\n7\n", None]


def test_the_output_of_wc_is_a_length():
    assert reader(b"       3\nabc").next() == b"abc"
    assert reader(b"3\r\nabc").next() == b"abc"


@pytest.mark.parametrize(
    "line", [b"\n", b"-3\n", b"3.0\n", b"abc\n", b"\xff\xd8\n", b"0x10\n", b"1" * 30, b"\xb2\n"]
)
def test_what_is_no_length_is_refused(line):
    with pytest.raises(
        InputError, match=r"is not the length of a frame; before each image, write its number"
    ):
        reader(line + b"data").next()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"12", "ends inside the length"),
        (b"5\nabc", "ends after 3 of 5 bytes"),
        (b"5\n", "ends after 0 of 5 bytes"),
    ],
)
def test_a_stream_that_ends_inside_a_frame_is_an_error(data, words):
    with pytest.raises(InputError, match=words):
        reader(data).next()


def test_a_long_frame_is_skipped():
    frames = reader(b"1001\n" + b"x" * 1001 + b"2\nok")
    with pytest.raises(LimitError, match="1001 bytes are over the limit of"):
        frames.next()
    assert frames.next() == b"ok"
    assert frames.next() is None


def test_a_long_frame_cut_short_is_an_error():
    frames = reader(b"1001\nxxx")
    with pytest.raises(LimitError):
        frames.next()
    with pytest.raises(InputError, match="ends inside a frame that was refused"):
        frames.next()


@pytest.mark.parametrize("most", [10**9, 10**19])
def test_a_length_alone_takes_no_memory(most):
    frames = reader(b"999999999\nabc", most)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="ends after 3 of 999999999 bytes"):
            frames.next()
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()
