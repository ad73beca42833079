from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from sparsesr.cli.main import main
from sparsesr.cli.video import parse_reuse
from sparsesr.errors import UsageError
from video.made_clips import Made, moving, probe


@pytest.fixture(autouse=True)
def folder(work_folder: Path) -> Path:
    """A current folder with a clip, and a models folder with a tiny model."""
    Made(moving(6), tags=(1, 1, 1, 1), sound=True).write(work_folder / "in.mp4")
    return work_folder


def video(*arguments: str) -> int:
    return main(["video", "-n", "tiny", "-j", "1", *arguments])


def test_the_default_use(folder, capsys):
    assert video("in.mp4") == 0
    out, err = capsys.readouterr()
    assert out.startswith("in.mp4 64x48 -> in_x2.mp4 128x96 h264: 6 frames in ")
    assert "frames/s with tiny; " in out and "% of the pixels computed" in out
    assert err == ""
    assert probe(folder / "in_x2.mp4").size == (128, 96)


def test_json_and_options(folder, capsys):
    arguments = ("-o", "out.mkv", "--codec", "h265", "--crf", "30", "--preset", "ultrafast", "--depth", "10")
    assert video("in.mp4", *arguments, "--reuse", "off", "--json") == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert err == "" and out.count("\n") == 1
    told = {
        key: record[key] for key in ("input", "output", "width", "output_width", "frames", "codec", "crf")
    }
    expected = {"input": "in.mp4", "output": "out.mkv", "width": 64, "output_width": 128}
    assert told == {**expected, "frames": 6, "codec": "h265", "crf": 30}
    assert (record["preset"], record["pixel_format"]) == ("ultrafast", "yuv420p10le")
    assert (record["computed_share"], record["resumed_frames"], record["notes"]) == (1.0, 0, [])
    result = probe(folder / "out.mkv")
    assert result.codec == "hevc" and result.frame.format.name == "yuv420p10le"


def test_notes_come_before_the_work(folder, capsys):
    Made(moving(3), subtitles="subrip").write(folder / "text.mkv")
    assert video("text.mkv", "-o", "out.mp4") == 0
    err = capsys.readouterr().err
    assert "note: not kept: stream 1 (subtitle srt), which .mp4 cannot hold" in err
    assert video("text.mkv", "-o", "out.mp4", "-q", "--overwrite") == 0
    assert capsys.readouterr() == ("", "")


def test_a_folder_as_output_and_other_containers(folder):
    (folder / "in.avi").write_bytes(
        Made(moving(3), codec="mpeg4", options={}).write(folder / "made.avi").read_bytes()
    )
    (folder / "results").mkdir()
    assert video("in.avi", "-o", "results") == 0
    assert [path.name for path in (folder / "results").iterdir()] == ["in_x2.mkv"]
    assert len(probe(folder / "results" / "in_x2.mkv").times) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "parts"),
    [
        (("missing.mp4",), 3, ("missing.mp4: no such file",)),
        (("in.mp4", "-o", "in.mp4"), 2, ("is the input itself", "-o")),
        (("in.mp4", "-o", "out.avi"), 2, ("out.avi: .avi is no container", "-o that ends in .mp4")),
        (("in.mp4", "-o", "no/out.mp4"), 3, ("no does not exist; create it",)),
        (("in.mp4", "--codec", "vp9"), 2, ("--codec: 'vp9' is unknown; use h264, h265 or av1",)),
        (("in.mp4", "--crf", "99"), 2, ("--crf: must be 0 to 51",)),
        (("in.mp4", "--depth", "12"), 2, ("--depth: must be 8 or 10",)),
        (("in.mp4", "--reuse", "lots"), 2, ("--reuse 'lots'", "2/255 or off")),
        (("in.mp4", "--effort", "2"), 2, ("--effort",)),
        (("in.mp4", "--width", "30"), 3, ("would have to shrink",)),
        ((), 2, ("INPUT",)),
    ],
)
def test_errors(folder, capsys, arguments, status, parts):
    before = sorted(folder.iterdir())
    assert video(*arguments) == status
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    for part in parts:
        assert part in err
    assert sorted(folder.iterdir()) == before


def test_an_existing_output(folder, capsys):
    (folder / "in_x2.mp4").write_bytes(b"mine")
    assert video("in.mp4") == 3
    assert "in_x2.mp4: exists; pass --overwrite" in capsys.readouterr().err
    assert (folder / "in_x2.mp4").read_bytes() == b"mine"
    assert video("in.mp4", "--overwrite") == 0
    assert probe(folder / "in_x2.mp4").size == (128, 96)


def test_errors_as_json(folder, capsys):
    (folder / "bad.mp4").write_bytes(b"no video")
    assert video("bad.mp4", "--json") == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "input" and err.startswith("error: bad.mp4: ")
    assert video("missing.mp4", "--json") == 3
    assert json.loads(capsys.readouterr().out)["error"]["message"].startswith("missing.mp4: no such file")


@pytest.mark.parametrize("name", ["new/deep/", "new"])
def test_a_new_folder_as_output(folder, capsys, name):
    assert video("in.mp4", "-o", name) == 0
    assert probe(folder / name / "in_x2.mp4").size == (128, 96)
    (folder / "file").write_bytes(b"mine")
    assert video("in.mp4", "-o", "file/") == 3
    assert "file: cannot be created" in capsys.readouterr().err


def test_without_the_extra(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "av" else found(name, *more)
    )
    assert video("in.mp4") == 1
    assert capsys.readouterr().err == 'error: video: needs the extra [video]: pip install "sparsesr[video]"\n'


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("2/255", 2 / 255), ("0.01", 0.01), ("off", None)])
def test_reuse(text, value):
    assert parse_reuse(text) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize("text", ["", "1", "2", "-1", "1/0", "0.5/3", "nan", "2/1"])
def test_impossible_reuse(text):
    with pytest.raises(UsageError):
        parse_reuse(text)
