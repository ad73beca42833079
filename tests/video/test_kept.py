"""What a result keeps of its input, found by probing both with PyAV."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sparsesr.engine.upscaler import Upscaler
from sparsesr.video.encoding import EncodeOptions, Encoding
from sparsesr.video.job import VideoOptions, upscale_video
from support.tiny_models import tiny
from video.made_clips import FONT, RATE, Made, moving, probe

MILLISECOND = Fraction(1, 1000)
SMALL = moving(6)


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    """Without detail, which differs from channel to channel in a random network, and chroma would lose."""
    return Upscaler(tiny(detail=0.0), threads=1)


@pytest.fixture
def enlarge(upscaler, tmp_path):
    def enlarge(made: Made, source="in.mp4", target="out.mp4", **more):
        encode = EncodeOptions(
            **{key: more.pop(key) for key in ("codec", "crf", "preset", "depth") if key in more}
        )
        path, output = made.write(tmp_path / source), tmp_path / target
        done = upscale_video(upscaler, path, output, VideoOptions(encode, segment_frames=8, **more))
        return probe(path), probe(output), done

    return enlarge


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize(("suffix", "text"), [(".mp4", "mov_text"), (".mkv", "subrip"), (".mov", "mov_text")])
def test_everything_in_one_file(enlarge, upscaler, suffix, text):
    made = Made(
        sound=True, subtitles=text, chapters=True, rotation=90, metadata={"title": "A clip", "comment": "x"}
    )
    made.font = suffix == ".mkv"
    before, after, done = enlarge(made, f"in{suffix}", f"out{suffix}")
    assert not any("not kept" in note for note in done.notes)
    assert after.size == (2 * before.size[0], 2 * before.size[1])
    assert after.times == before.times and len(after.times) == len(made.frames) == done.frames
    assert after.packets == before.packets and {"audio", "subtitle"} <= set(after.packets)
    assert after.chapters == before.chapters and len(after.chapters) == 2
    assert (after.metadata["title"], after.metadata.get("comment")) == (
        "A clip",
        before.metadata.get("comment"),
    )
    assert after.streams == before.streams
    assert ("audio", "aac", None if suffix == ".mov" else "deu") in after.streams
    assert bytes(after.frame.side_data["DISPLAYMATRIX"]) == bytes(before.frame.side_data["DISPLAYMATRIX"])
    assert after.frame.rotation == 90
    assert after.attachments == ([("a.ttf", FONT)] if made.font else [])
    for kind, start in before.starts.items():
        assert abs(after.starts[kind] - start) <= MILLISECOND
    for kind, duration in before.durations.items():
        assert abs(after.durations[kind] - duration) <= MILLISECOND


def test_pictures_are_the_enlarged_ones(enlarge, upscaler):
    before, after, _ = enlarge(Made(tags=(1, 1, 1, 1)), crf=4)
    for small, large in zip(before.pictures, after.pictures, strict=True):
        assert psnr(upscaler(small).image, large) > 36


def test_stamps_of_a_variable_frame_rate_and_b_frames(enlarge):
    rng = np.random.default_rng(3)
    pts = [0]
    for _ in range(29):
        pts.append(pts[-1] + int(rng.integers(100, 3000)))
    before, after, _ = enlarge(Made(moving(30), pts=pts, sound=True))
    assert after.times == before.times == [Fraction(each, 12_800) for each in pts]
    assert after.packets == before.packets


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_start_of_streams_is_kept(enlarge, suffix):
    before, after, _ = enlarge(Made(start=Fraction(5, 4), sound=True), f"in{suffix}", f"out{suffix}")
    assert before.starts["video"] == Fraction(5, 4)
    assert after.starts["video"] == before.starts["video"]
    assert after.times == before.times and after.packets == before.packets


def test_sound_and_picture_stay_in_step_from_transport_streams(enlarge):
    """MPEG-TS starts at an odd time; offsets between the streams are kept within a frame."""
    before, after, _ = enlarge(Made(sound=True, time_base=Fraction(1, 90_000)), "in.ts", "out.mp4")
    offset = before.starts["audio"] - before.starts["video"]
    assert abs(after.starts["audio"] - after.starts["video"] - offset) < Fraction(1, RATE)
    assert len(after.times) == len(before.times)
    steps = [b - a for a, b in zip(before.times, after.times, strict=True)]
    assert max(steps) - min(steps) <= MILLISECOND


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
@pytest.mark.parametrize("depth", [8, 10])
def test_codecs_and_colour_tags(enlarge, codec, depth):
    tags = (1, 9, 9, 16)
    made = Made(SMALL, pixel_format="yuv420p10le", tags=tags, aspect=Fraction(4, 3))
    before, after, done = enlarge(made, codec=codec, depth=depth)
    frame = after.frame
    assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == tags
    assert frame.format.name == ("yuv420p" if depth == 8 else "yuv420p10le")
    assert after.aspect == Fraction(4, 3)
    assert after.times == before.times
    assert any("10 bits are written as 8" in note for note in done.notes) == (depth == 8)
    assert {"h264": "h264", "h265": "hevc", "av1": "av1"}[codec] == after.codec


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no scheduling policies here")
def test_encoders_keep_the_scheduling_of_threads(enlarge, monkeypatch):
    """Run by root, SVT-AV1 asks for real-time priority, also for the thread that opens it."""
    policies = set()

    def watched_frame(self, planes, pts):
        threads = Path("/proc/self/task").iterdir()
        policies.update(os.sched_getscheduler(int(thread.name)) for thread in threads)
        return frame(self, planes, pts)

    frame = Encoding.frame
    monkeypatch.setattr(Encoding, "frame", watched_frame)
    enlarge(Made(SMALL), codec="av1")
    assert policies == {os.SCHED_OTHER} == {os.sched_getscheduler(0)}


@pytest.mark.parametrize("tags", [(2, 1, 1, 1), (1, 6, 6, 6), (2, 6, 5, 13), (1, 9, 9, 14)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p"])
def test_matrix_range_and_chroma(enlarge, upscaler, tags, pixel_format):
    before, after, _ = enlarge(Made(SMALL, pixel_format=pixel_format, tags=tags), crf=2)
    frame = after.frame
    assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == tags
    assert frame.format.name.replace("yuvj", "yuv") == pixel_format
    expected = upscaler(before.pictures[0]).image
    shift = after.pictures[0].mean(axis=(0, 1)) - expected.mean(axis=(0, 1))
    assert np.abs(shift).max() < 1
    assert psnr(expected, after.pictures[0]) > 36


def test_an_unstated_matrix_is_stated_as_it_was_taken(enlarge):
    _, after, done = enlarge(Made(SMALL))
    assert after.frame.colorspace == 6
    assert any("BT.601" in note for note in done.notes)


HDR10 = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_hdr_metadata(enlarge, codec):
    made = Made(
        SMALL,
        "libx265",
        "yuv420p10le",
        {"x265-params": f"log-level=none:master-display={HDR10}:max-cll=1000,400"},
    )
    made.tags = (1, 9, 9, 16)
    _, after, done = enlarge(made, codec=codec)
    display = struct.unpack("22i", bytes(after.frame.side_data["MASTERING_DISPLAY_METADATA"]))
    found = [top / bottom for top, bottom in zip(display[0:20:2], display[1:20:2], strict=True)]
    expected = [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.005, 1000]
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    assert struct.unpack("2I", bytes(after.frame.side_data["CONTENT_LIGHT_LEVEL"])) == (1000, 400)
    assert after.frame.format.name == "yuv420p10le" and not any("not kept" in note for note in done.notes)


def test_deinterlacing_keeps_the_number_of_frames_and_stamps(enlarge):
    made = Made(moving(10), options={"crf": "12", "x264-params": "interlaced=1"})
    before, after, _ = enlarge(made, deinterlace=True)
    assert before.frame.interlaced_frame and not after.frame.interlaced_frame
    assert after.times == before.times


def test_what_a_container_cannot_hold_is_named(enlarge):
    made = Made(SMALL, sound=True, subtitles="subrip", font=True)
    _, after, done = enlarge(made, "in.mkv", "out.mp4")
    lost = [note for note in done.notes if note.startswith("not kept")]
    assert len(lost) == 2 and "srt" in lost[0] and ".mp4" in lost[0] and "attachment" in lost[1]
    assert [kind for kind, _, _ in after.streams] == ["video", "audio"]


def test_grey_and_rgb_inputs(enlarge):
    before, after, _ = enlarge(Made(SMALL, "ffv1", "gray", {}), "in.mkv", "out.mkv", codec="h265", crf=3)
    assert after.frame.format.name == "gray"
    assert np.abs(after.pictures[0].mean() - before.pictures[0].mean()) < 2
    before, after, done = enlarge(Made(SMALL, "ffv1", "bgr0", {}), "in.mkv", "out.mkv", overwrite=True, crf=3)
    assert after.frame.format.name == "yuv444p" and any("RGB" in note for note in done.notes)
    assert np.abs(after.pictures[0].mean(axis=(0, 1)) - before.pictures[0].mean(axis=(0, 1))).max() < 2


def test_a_cover_is_no_video(enlarge, tmp_path):
    """The cover comes first; the video is enlarged, and the cover kept."""
    import av

    plain = Made(SMALL).write(tmp_path / "plain.mp4")
    with av.open(str(plain)) as source, av.open(str(tmp_path / "covered.mp4"), "w") as target:
        cover = target.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        video = target.add_stream_from_template(source.streams.video[0], opaque=True)
        target.mux(
            cover.encode(av.VideoFrame.from_ndarray(SMALL[0][:32, :32], "rgb24").reformat(format="yuvj420p"))
        )
        target.mux(cover.encode(None))
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                target.mux(packet)
    upscaled = tmp_path / "out.mp4"
    upscale_video(Upscaler(tiny(), threads=1), tmp_path / "covered.mp4", upscaled, VideoOptions())
    with av.open(str(upscaled)) as result:
        covers = [
            each for each in result.streams.video if each.disposition & av.stream.Disposition.attached_pic
        ]
        pictures = [each for each in result.streams.video if each not in covers]
        assert [(each.width, each.height) for each in covers] == [(32, 32)]
        assert [(each.width, each.height, each.frames) for each in pictures] == [(128, 96, 6)]


def test_every_corrected_time_stamp_is_counted(upscaler, tmp_path):
    source = Made(moving(20)).write(tmp_path / "in.h264")  # a bare stream, which has none
    done = upscale_video(upscaler, source, tmp_path / "out.mkv", VideoOptions(segment_frames=8))
    assert len(probe(tmp_path / "out.mkv").times) == 20
    assert done.later_notes == ("20 time stamps were missing or did not increase, and were corrected",)


def test_a_late_start_is_not_taken_for_a_missing_end(enlarge):
    _, _, done = enlarge(Made(moving(5), start=Fraction(5)), "in.mkv", "out.mkv")
    assert not done.later_notes
