"""Runs that were killed or interrupted: what remains, and that resuming equals an uninterrupted run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, InputError, UsageError
from sparsesr.video.encoding import EncodeOptions
from sparsesr.video.job import VideoOptions, upscale_video
from support.tiny_models import tiny
from video.made_clips import Made, moving, probe

SEGMENT = 5

SCRIPT = """
import sys, time
from pathlib import Path
from sparsesr.engine.upscaler import Upscaler
from sparsesr.video.job import VideoOptions, upscale_video
from support.tiny_models import tiny

def progress(done, total):
    print(done, flush=True)
    time.sleep(0.05)

upscale_video(
    Upscaler(tiny(), threads=1), Path(sys.argv[1]), Path(sys.argv[2]),
    VideoOptions(resume=True, segment_frames=5), progress=progress,
)
"""


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(tiny(), threads=1)


@pytest.fixture
def source(tmp_path) -> Path:
    return Made(moving(23), sound=True).write(tmp_path / "in.mp4")


def run(upscaler, source, output, stop_after: int | None = None, **more):
    """Upscale, interrupted after a number of frames."""
    seen: list[int] = []
    options = VideoOptions(**{"segment_frames": SEGMENT, **more})
    return upscale_video(
        upscaler,
        source,
        output,
        options,
        progress=lambda done, total: seen.append(done),
        cancelled=lambda: stop_after is not None and len(seen) >= stop_after,
    )


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize(
    "wait_frames", [pytest.param(1, marks=pytest.mark.slow), 13, pytest.param(22, marks=pytest.mark.slow)]
)
def test_killed_in_the_middle(upscaler, source, tmp_path, wait_frames):
    whole, output = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    run(upscaler, source, whole)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT, str(source), str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= wait_frames:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.read()
    assert not output.exists()
    done = run(upscaler, source, output, resume=True)
    assert done.resumed_frames == wait_frames // SEGMENT * SEGMENT or done.resumed_frames >= SEGMENT
    assert output.read_bytes() == whole.read_bytes()
    assert probe(output).times == probe(source).times
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("stop_after", [12, 17])
def test_interrupted_and_resumed_equals_an_uninterrupted_run(upscaler, source, tmp_path, stop_after):
    whole, output = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    expected = run(upscaler, source, whole)
    with pytest.raises(CancelledError, match="frames are kept") as caught:
        run(upscaler, source, output, stop_after)
    assert caught.value.asks_for("resume") and not output.exists() and len(hidden(tmp_path)) == 1
    done = run(upscaler, source, output, resume=True)
    assert 0 < done.resumed_frames < done.frames == 23
    assert (done.computed_share, done.notes) == (expected.computed_share, expected.notes)
    assert output.read_bytes() == whole.read_bytes() and hidden(tmp_path) == []


def test_interrupted_before_a_segment_is_finished_nothing_remains(upscaler, source, tmp_path):
    with pytest.raises(CancelledError):
        run(upscaler, source, tmp_path / "out.mp4", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_an_interrupted_run_is_not_thrown_away_by_accident(upscaler, source, tmp_path):
    output = tmp_path / "out.mp4"
    with pytest.raises(CancelledError):
        run(upscaler, source, output, 14)
    with pytest.raises(InputError, match="finished frames") as caught:
        run(upscaler, source, output)
    assert caught.value.asks_for("resume") and caught.value.asks_for("overwrite")
    assert run(upscaler, source, output, overwrite=True).resumed_frames == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"encode": EncodeOptions(crf=30)}, "crf 17, not 30"),
        ({"tolerance": 0.1}, "reuse 0.0, not 0.1"),
        ({"effort": 1.0}, "effort None, not 1.0"),
        ({"segment_frames": 6}, "segment frames"),
    ],
)
def test_other_options_are_refused_and_nothing_is_lost(upscaler, source, tmp_path, change, named):
    output = tmp_path / "out.mp4"
    with pytest.raises(CancelledError):
        run(upscaler, source, output, 14)
    with pytest.raises(UsageError, match=named):
        run(upscaler, source, output, resume=True, **change)
    assert run(upscaler, source, output, resume=True).resumed_frames > 0


def test_another_input_is_refused(upscaler, source, tmp_path):
    output = tmp_path / "out.mp4"
    with pytest.raises(CancelledError):
        run(upscaler, source, output, 14)
    Made(moving(23), options={"crf": "30"}).write(source)
    with pytest.raises(UsageError, match="input"):
        run(upscaler, source, output, resume=True)


def test_a_torn_journal_and_a_damaged_segment_do_not_count(upscaler, source, tmp_path):
    whole, output = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    run(upscaler, source, whole)
    with pytest.raises(CancelledError):
        run(upscaler, source, output, 19)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) >= 3 and json.loads(lines[0])["codec"] == "h264"
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    second = folder / "000001.packets"
    second.write_bytes(second.read_bytes()[:-1])
    done = run(upscaler, source, output, resume=True)
    assert done.resumed_frames == SEGMENT
    assert output.read_bytes() == whole.read_bytes()


def test_two_runs_for_one_output(upscaler, source, tmp_path):
    output, errors = tmp_path / "out.mp4", []

    def second(done: int, total: int) -> None:
        if done == SEGMENT + 1:
            with pytest.raises(InputError, match="another run") as caught:
                run(upscaler, source, output, resume=True)
            errors.append(caught.value)

    options = VideoOptions(segment_frames=SEGMENT)
    upscale_video(upscaler, source, output, options, progress=second)
    assert len(errors) == 1 and probe(output).times == probe(source).times


def test_segments_are_joined_without_a_seam_in_time(upscaler, source, tmp_path):
    """Packets of one run in many segments: increasing decoding times, none after its time of display."""
    import av

    output = tmp_path / "out.mp4"
    run(upscaler, source, output, segment_frames=4)
    with av.open(str(output)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        decoded = [packet.dts for packet in packets]
        assert decoded == sorted(set(decoded)) and all(packet.dts <= packet.pts for packet in packets)
        assert sum(packet.is_keyframe for packet in packets) >= 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_on_the_command_line(source, tmp_path, number):
    """The first signal ends the command within seconds; there is no result, and no part without a finished segment."""
    output = tmp_path / "out.mp4"
    long = Made(moving(200, 96, 128)).write(tmp_path / "long.mp4")
    command = [
        sys.executable,
        "-m",
        "sparsesr.cli",
        "video",
        str(long),
        "-o",
        str(output),
        "-n",
        "skim_fast_x2",
        "-j",
        "1",
    ]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored in background test runs
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        for _ in range(600):
            if any(path.suffix == ".packets" for path in tmp_path.rglob(".sparsesr-video-*/*")):
                break
            time.sleep(0.05)
        time.sleep(0.2)
        start = time.monotonic()
        process.send_signal(number)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait() == 128 + number
    assert time.monotonic() - start < 60
    assert "interrupted" in said and "Traceback" not in said, said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "long.mp4"]
