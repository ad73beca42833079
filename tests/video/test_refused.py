"""Inputs and circumstances that are refused: one clear error, and nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import InputError, Parameter, SparsesrError, UsageError
from sparsesr.video import clip as clip_module
from sparsesr.video.encoding import EncodeOptions
from sparsesr.video.job import VideoOptions, upscale_video
from support.tiny_models import tiny
from video.made_clips import Made, moving, probe

SMALL = moving(6)


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(tiny(), threads=1)


@pytest.fixture
def refused(upscaler, tmp_path):
    def refused(
        path: Path, kind: type[SparsesrError] = InputError, target="out.mp4", **more
    ) -> SparsesrError:
        before = sorted(tmp_path.iterdir())
        with pytest.raises(kind) as caught:
            upscale_video(upscaler, path, tmp_path / target, VideoOptions(**{"segment_frames": 4, **more}))
        assert sorted(tmp_path.iterdir()) == before, "nothing was written"
        assert "\n" not in str(caught.value)
        return caught.value

    return refused


def test_no_video_stream(refused, tmp_path):
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 44_100, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert "has no video" in str(refused(path))


@pytest.mark.parametrize("content", [b"", b"no video", os.urandom(20_000), b"#EXTM3U\n/etc/passwd\n"])
def test_other_files(refused, tmp_path, content):
    path = tmp_path / "in.mp4"
    path.write_bytes(content)
    assert "is not a video that can be read" in str(refused(path))


@pytest.mark.parametrize("name", ["in.m3u8", "in.ffconcat", "in.sdp"])
def test_playlists_are_not_followed(refused, tmp_path, name):
    clip = Made(SMALL).write(tmp_path / "clip.mp4")
    path = tmp_path / name
    texts = {
        "in.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        "in.ffconcat": f"ffconcat version 1.0\nfile '{clip}'\n",
        "in.sdp": "v=0\nm=video 5004 RTP/AVP 96\n",
    }
    path.write_text(texts[name])
    assert "is not a video that can be read" in str(refused(path))


def test_a_folder_and_a_missing_file(refused, tmp_path):
    assert "folder" in str(refused(tmp_path))
    assert "no such file" in str(refused(tmp_path / "missing.mp4"))


def test_a_cut_file_whose_index_comes_first(refused, tmp_path):
    whole = Made(moving(40), options={"crf": "4"})
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w", container_options={"movflags": "faststart"}) as container:
        video = whole._video(container)
        whole._write_frames(container, video)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    error = refused(path)
    assert "is cut off" in str(error) and "of 40 pictures are missing" in str(error)


def test_a_cut_file_whose_index_is_missing(refused, tmp_path):
    path = Made().write(tmp_path / "cut.mp4")
    path.write_bytes(path.read_bytes()[:3000])
    assert "is not a video that can be read" in str(refused(path))


def test_a_cut_stream_is_noted(upscaler, tmp_path):
    """Matroska has no index to compare with: what is there is enlarged, and a note says what is missing."""
    path = Made(moving(120), options={"crf": "4", "g": "12"}).write(tmp_path / "cut.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = upscale_video(upscaler, path, tmp_path / "out.mkv", VideoOptions())
    assert 20 < done.frames < 100 and any("may be cut off" in note for note in done.notes)
    assert len(probe(tmp_path / "out.mkv").times) == done.frames


def test_damaged_pictures(refused, tmp_path):
    path = Made(moving(30), options={"crf": "4", "g": "5"}).write(tmp_path / "in.mkv")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    assert "damaged" in str(refused(path, segment_frames=100))


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (Made(SMALL, "ffv1", "yuva420p", {}), "transparency"),
        (Made(SMALL, "ffv1", "bgra", {}), "transparency"),
        (Made(SMALL, "ffv1", "yuv444p", {}, tags=(1, 8, 1, 1)), "YCgCo"),
        (Made(SMALL, "libx264", "yuv420p", {"x264-params": "interlaced=1"}), "interlaced"),
    ],
)
def test_pictures_that_cannot_be_kept(refused, tmp_path, made, named):
    if "yuva" in made.pixel_format or "bgra" in made.pixel_format:
        made.frames = [np.dstack([frame, np.full(frame.shape[:2], 99, np.uint8)]) for frame in SMALL]
    assert named in str(refused(made.write(tmp_path / "in.mkv"), target="out.mkv"))


def gif(path: Path, transparent: tuple[int, ...] = ()) -> Path:
    images = [Image.fromarray(frame).convert("RGBA") for frame in moving(6)]
    for index in transparent:
        images[index].paste((0, 0, 0, 0), (40, 30, 60, 44))
    images[0].save(path, save_all=True, append_images=images[1:], duration=80, disposal=2)
    return path


def test_opaque_gifs_are_taken(upscaler, tmp_path):
    done = upscale_video(upscaler, gif(tmp_path / "in.gif"), tmp_path / "out.mkv", VideoOptions())
    result = probe(tmp_path / "out.mkv")
    assert done.frames == 6 and result.size == (128, 96)
    assert result.times == [Fraction(8 * index, 100) for index in range(6)]
    red, green, blue = result.pictures[2][30, 18]  # in the square that moves
    assert red > 180 and max(green, blue) < 90


@pytest.mark.parametrize("transparent", [(0, 1), (3,), (5,)])
def test_gifs_with_transparency(upscaler, tmp_path, transparent):
    path = gif(tmp_path / "in.gif", transparent)
    with pytest.raises(InputError, match="has transparency"):
        upscale_video(upscaler, path, tmp_path / "out.mkv", VideoOptions())
    assert not (tmp_path / "out.mkv").exists()


def test_interlaced_names_the_option(refused, tmp_path):
    made = Made(SMALL, options={"x264-params": "interlaced=1"})
    assert refused(made.write(tmp_path / "in.mp4")).asks_for("deinterlace")


def test_pictures_that_change_their_size(refused, tmp_path):
    path = tmp_path / "in.ts"
    parts = []
    for index, width in enumerate((64, 96)):
        part = tmp_path / f"part{index}.ts"
        made = Made(moving(8, 48, width), time_base=Fraction(1, 90_000), start=Fraction(index))
        parts.append(made.write(part).read_bytes())
        part.unlink()
    path.write_bytes(b"".join(parts))
    assert "change from 64x48" in str(refused(path, segment_frames=100))


@pytest.mark.parametrize(
    ("encode", "target", "named"),
    [
        (EncodeOptions(codec="vp8"), "out.mp4", "h264, h265 or av1"),
        (EncodeOptions(crf=60), "out.mp4", "0 to 51"),
        (EncodeOptions(codec="av1", crf=64), "out.mp4", "0 to 63"),
        (EncodeOptions(preset="warp"), "out.mp4", "ultrafast"),
        (EncodeOptions(codec="av1", preset="medium"), "out.mp4", "13"),
        (EncodeOptions(depth=9), "out.mp4", "8 or 10"),
        (EncodeOptions(codec="h264"), "out.webm", ".webm"),
        (EncodeOptions(codec="av1"), "out.mov", ".mov"),
    ],
)
def test_options(refused, tmp_path, encode, target, named):
    path = Made(SMALL).write(tmp_path / "in.mp4")
    assert named in str(refused(path, UsageError, target, encode=encode))


def test_odd_sides_with_halved_chroma(tmp_path):
    path = Made(moving(3, 46, 62)).write(tmp_path / "in.mp4")
    with pytest.raises(UsageError, match="even sides"):
        upscale_video(Upscaler(tiny(), scale=1.5, threads=1), path, tmp_path / "out.mp4", VideoOptions())


@pytest.mark.parametrize(
    ("size", "where", "advised"),
    [
        ({"scale": 1.5}, "scale", ("scale", "width", "height")),
        ({"fit": (101, 101)}, "fit", ("fit", "width", "height")),
        ({"width": 101}, "width", ("width", "height")),
        ({"height": 101}, "height", ("width", "height")),
    ],
)
def test_odd_sides_name_the_parameter_that_was_given(tmp_path, size, where, advised):
    path = Made(moving(3, 46, 62)).write(tmp_path / "in.mp4")
    with pytest.raises(UsageError, match="even sides") as caught:
        upscale_video(Upscaler(tiny(), **size, threads=1), path, tmp_path / "out.mp4", VideoOptions())
    assert caught.value.where == Parameter(where) and caught.value.remedy.parameters == advised


def test_pictures_that_break_the_encoder(refused, tmp_path):
    path = Made(moving(3, 48, 24)).write(tmp_path / "in.mp4")
    error = refused(path, UsageError, encode=EncodeOptions(codec="h265"))
    assert "needs a width of 64" in str(error) and error.asks_for("codec")


def test_too_large_pictures(refused, tmp_path, monkeypatch):
    path = Made(SMALL).write(tmp_path / "in.mp4")
    monkeypatch.setattr(
        clip_module, "ImageLimits", lambda: type("", (), {"max_pixels": 99, "max_side_px": 99})
    )
    assert "over the limit" in str(refused(path, SparsesrError))


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import SparsesrError
from sparsesr.video.job import VideoOptions, upscale_video
from support.tiny_models import tiny

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    upscale_video(Upscaler(tiny(), threads=1), Path(sys.argv[1]), Path(sys.argv[2]), VideoOptions(segment_frames=8))
except SparsesrError as error:
    print(error.code, error)
"""


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_full_disk(upscaler, tmp_path, share):
    """While a segment is written, and while they are joined: what is finished is kept, and resuming goes on."""
    path, output, whole = (
        Made(moving(24)).write(tmp_path / "in.mp4"),
        tmp_path / "out.mp4",
        tmp_path / "whole.mp4",
    )
    upscale_video(upscaler, path, whole, VideoOptions(segment_frames=8))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    limit = str(int(share * whole.stat().st_size))
    command = [sys.executable, "-c", FULL_DISK, str(path), str(output), limit]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert said.startswith("input ") and "cannot be written" in said and len(said.splitlines()) == 1
    assert not output.exists() and not list(tmp_path.glob(".*.tmp"))
    done = upscale_video(upscaler, path, output, VideoOptions(resume=True, segment_frames=8))
    assert done.resumed_frames == (0 if share < 0.5 else 24)
    assert output.read_bytes() == whole.read_bytes()


def test_the_limit_of_memory(tmp_path):
    path = Made(SMALL).write(tmp_path / "in.mp4")
    with pytest.raises(SparsesrError, match="MB"):
        upscale_video(
            Upscaler(tiny(), threads=1, memory=92_000_000), path, tmp_path / "out.mp4", VideoOptions()
        )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.mp4"]
