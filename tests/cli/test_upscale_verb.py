from __future__ import annotations

import io
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsesr.cli.main import main
from sparsesr.errors import CancelledError
from sparsesr.jobs.files import upscale_file
from sparsesr.modelfile.catalogue import install_model
from sparsesr.runtime.session import Session
from support.tiny_models import photo, size_of, tiny


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty current folder, and a models folder with two tiny models."""
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    install_model(tiny(), "tiny")
    install_model(tiny(scale=3), "tiny_x3")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def save(name: str, height: int = 12, width: int = 16, **options) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(height, width)).save(path, **options)
    return path


def up(*arguments: str) -> int:
    return main(["upscale", "-n", "tiny", *arguments])


def assert_one_line_error(text: str, *parts: str) -> None:
    assert text.startswith("error: ") and text.count("\n") == 1, text
    for part in parts:
        assert part in text
    assert "Traceback" not in text


def test_the_default_use(capsys):
    save("photo.jpg")
    assert up("photo.jpg") == 0
    out, err = capsys.readouterr()
    assert size_of("photo_x2.jpg") == (32, 24)
    assert out.startswith("photo.jpg 16x12 -> photo_x2.jpg 32x24 in ")
    assert out.endswith(" % of the multiply-adds skipped\n")
    assert err == ""


def test_the_default_model_is_that_for_the_file(capsys):
    save("good.jpg", quality=95), save("poor.jpg", quality=75), save("poor.png")
    assert main(["upscale", "good.jpg", "poor.jpg", "poor.png", "-j", "1"]) == 0
    good, poor, png = capsys.readouterr().out.splitlines()
    assert " with skim_fast_x2" in good and " with photo_x2" in poor and " with skim_fast_x2" in png
    assert main(["upscale", "poor.jpg", "--json", "--overwrite"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["model"], record["jpeg_quality"]) == ("photo_x2", 75)
    assert main(["upscale", "poor.jpg", "-n", "skim_fast_x2", "--json", "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "skim_fast_x2"


def test_long_work_is_announced_with_what_the_model_of_the_file_takes(monkeypatch, capsys):
    measured = []

    def expected(network, pixels, plan, options):
        measured.append((network.name, pixels.shape[:2], options.effort))
        return 83.0

    monkeypatch.setattr("sparsesr.engine.execute.expected_seconds", expected)
    save("poor.jpg", quality=75), save("poor.png")
    for source in ("poor.jpg", "poor.png"):
        assert main(["upscale", source, "--effort", "0.6"]) == 0
        assert capsys.readouterr().err == f"{source}: about 83 seconds (whole)\n"
    assert measured == [("photo_x2", (12, 16), 0.6), ("skim_fast_x2", (12, 16), 0.6)]


def test_a_batch_with_a_named_model_does_not_continue_one_with_default_models(monkeypatch, capsys):
    """Their journals differ, although the default model for most files is the named one."""
    save("in/a.jpg", quality=60), save("in/b.jpg", quality=60)
    begun = []

    def interrupted(*arguments):
        begun.append(arguments)
        if len(begun) == 2:
            raise CancelledError("interrupted")
        return upscale_file(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("sparsesr.jobs.batch.upscale_file", interrupted)
        assert main(["upscale", "in", "-o", "out/"]) == 130
    capsys.readouterr()
    assert main(["upscale", "in", "-o", "out/", "-n", "skim_fast_x2"]) == 3
    assert "a_x2.jpg: exists" in capsys.readouterr().err
    assert main(["upscale", "in", "-o", "out/"]) == 3
    assert "a_x2.jpg done before the interruption" in capsys.readouterr().out


def test_options(capsys):
    save("photo.png")
    assert main(["up", "-i", "photo.png", "-s", "3", "-n", "tiny_x3", "-o", "out.webp", "-j", "1", "-q"]) == 0
    assert size_of("out.webp") == (48, 36)
    assert capsys.readouterr() == ("", "")
    assert up("photo.png", "-f", "tif", "--depth", "16", "--effort", "0.2", "--memory", "1.5GiB") == 0
    assert Path("photo_x2.tif").exists()


def test_json_lines(capsys):
    save("a.png")
    Path("b.png").write_bytes(b"no image")
    assert up("a.png", "b.png", "--json") == 3
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["output"] == "a_x2.png" and 0 <= good["macs_saved"] < 1 and good["mode"] == "whole"
    assert bad["error"]["code"] == "input" and "b.png" in bad["error"]["message"]


def test_folders_and_patterns(capsys):
    save("in/a.png"), save("in/b.gif"), save("in/below/c.png")
    assert up("in", "-o", "out") == 0
    assert sorted(path.name for path in Path("out").rglob("*.*")) == ["a_x2.png", "b_x2.png"]
    assert up("in", "-r", "-o", "deep") == 0
    assert Path("deep/below/c_x2.png").exists()
    assert up("in/*.png", "-o", "matched") == 0
    assert [path.name for path in Path("matched").iterdir()] == ["a_x2.png"]


def test_a_failing_file_does_not_stop_the_others(capsys):
    save("in/a.png"), save("in/c.png")
    Path("in/b.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert up("in", "-o", "out") == 3
    assert sorted(path.name for path in Path("out").iterdir()) == ["a_x2.png", "c_x2.png"]
    assert "error: in/b.png: " in capsys.readouterr().err


def test_an_existing_output_is_kept_without_overwrite(capsys):
    save("a.png")
    Path("a_x2.png").write_bytes(b"mine")
    assert up("a.png") == 3
    assert_one_line_error(capsys.readouterr().err, "a_x2.png", "--overwrite")
    assert Path("a_x2.png").read_bytes() == b"mine"
    assert up("a.png", "--overwrite") == 0
    assert size_of("a_x2.png") == (32, 24)


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        ([], 2, "nothing to upscale"),
        (["a.png", "-o", "a.png"], 2, "input itself"),
        (["a.png", "a.jpg", "-o", "both.png"], 2, "2 inputs cannot become one file; name a folder with -o"),
        (["a.png", "--overwrite", "--skip-existing"], 2, "exclude each other"),
        (["a.png", "--precision", "x"], 2, "unknown"),
        (["a.png", "--memory", "lots"], 2, "not an amount"),
        (["a.png", "--memory", "2"], 2, "less than a megabyte"),
        (["a.png", "--effort", "3"], 2, "between 0 and 1"),
        (["a.png", "--quality", "0"], 2, "1 to 100"),
        (["a.png", "--depth", "9"], 2, "8 or 16"),
        (["a.png", "-f", "bmp"], 2, "format"),
        (["a.png", "-s", "0.5"], 2, "-s: must be 1 to 64, not 0.5"),
        (["a.png", "-j", "0"], 2, "at least 1"),
        (["a.png", "-"], 2, "standard input"),
        (["a.png", "-o", "-"], 2, "needs the input -"),
        (["a.png", "--frob"], 2, "--frob"),
        (["a.png", "-o", "missing/out.png"], 3, "does not exist"),
        (["missing.png"], 3, "no such file"),
        (["*.bmp"], 3, "no file matches"),
        (["empty"], 3, "no images"),
        (["a.png", "-n", "tinny"], 3, "did you mean tiny"),
        (["a.png", "--memory", "50MB"], 4, "allow more with --memory"),
    ],
)
def test_errors_are_one_line_with_a_status(arguments, status, part, capsys):
    save("a.png"), save("a.jpg"), Path("empty").mkdir()
    before = sorted(Path().rglob("*.*"))
    assert up(*arguments) == status
    assert_one_line_error(capsys.readouterr().err, part)
    assert sorted(Path().rglob("*.*")) == before


class Stream:
    """Stands for sys.stdin or sys.stdout."""

    def __init__(self, data: bytes = b"") -> None:
        self.buffer = io.BytesIO(data)

    closed = False

    def isatty(self) -> bool:
        return False

    def flush(self) -> None:
        pass


def test_standard_input_to_standard_output(monkeypatch, capsys):
    data = save("a.png").read_bytes()
    out = Stream()
    monkeypatch.setattr(sys, "stdin", Stream(data))
    monkeypatch.setattr(sys, "stdout", out)
    assert up("-") == 0
    assert size_of(io.BytesIO(out.buffer.getvalue())) == (32, 24)
    assert "standard input 16x12 -> standard output 32x24" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", Stream(b"rubbish"))
    assert up("-", "-o", "x.png") == 3
    assert_one_line_error(capsys.readouterr().err, "standard input: ")


def test_an_existing_result_for_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Stream(save("a.png").read_bytes()))
    Path("x.png").write_bytes(b"mine")
    assert up("-", "-o", "x.png", "--skip-existing", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record == {"input": "standard input", "output": "x.png", "skipped": "exists"}
    assert Path("x.png").read_bytes() == b"mine"
    Path("x.png").write_bytes(b"")
    assert up("-", "-o", "x.png", "--skip-existing") == 3
    assert up("-", "-o", "y.png", "--skip-existing") == 3  # standard input has been read


def test_errors_of_standard_input_as_json(monkeypatch, capsys):
    for data in (b"rubbish", b""):
        monkeypatch.setattr(sys, "stdin", Stream(data))
        assert up("-", "-o", "x.png", "--json") == 3
        out, err = capsys.readouterr()
        record = json.loads(out)
        assert record["input"] == "standard input" and record["error"]["code"] == "input"
        assert_one_line_error(err, "standard input: ")


def test_an_unexpected_error_is_one_line(monkeypatch, capsys):
    save("a.png")

    def broken(*args, **kwargs):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("sparsesr.jobs.batch.upscale_file", broken)
    assert up("a.png") == 1
    assert_one_line_error(capsys.readouterr().err, "RuntimeError: two lines", "--debug")
    assert up("a.png", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_broken_result_is_refused_and_not_written(monkeypatch, capsys):
    def black(self, image, **options):
        return replace(run(self, image, **options), image=np.zeros((24, 32, 3), np.uint8))

    run = Session.run
    save("a.png")
    monkeypatch.setattr(Session, "run", black)
    assert up("a.png") == 3
    assert_one_line_error(capsys.readouterr().err, "a.png: tiny: ", "mean colour", "nothing was written")
    assert [path.name for path in Path().iterdir()] == ["a.png"]


def test_interrupting_leaves_nothing(monkeypatch, capsys):
    save("big.png", 300, 300), save("second.png")

    def press_and_upscale(*args):
        os.kill(os.getpid(), signal.SIGINT)
        return upscale_file(*args)

    monkeypatch.setattr("sparsesr.jobs.batch.upscale_file", press_and_upscale)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored in background test runs
    assert up("big.png", "second.png", "-j", "1") == 130
    signal.signal(signal.SIGINT, before)
    assert_one_line_error(capsys.readouterr().err, "big.png: interrupted")
    assert sorted(path.name for path in Path().iterdir()) == ["big.png", "second.png"]


def test_tiles_report_their_deviation(capsys):
    save("a.png", 200, 260)
    assert up("a.png", "--memory", "122MB", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["mode"] == "tiles" and record["deviation"]["probe_px"] > 0
    assert up("a.png", "--memory", "122MB", "--overwrite") == 0
    assert capsys.readouterr().err.startswith("note: the memory limit requires ")
    assert "deviates" in record["notes"][0]


REFUSED = {
    "bomb_17000x17000.avif",
    "bomb_text_chunk.png",
    "broken_stream.png",
    "corrupt_crc.png",
    "corrupt_signature.png",
    "not_an_image.doc",
    "truncated.gif",
    "truncated.jpg",
}


LARGE = ("phone_jolla", "ultra_hdr", "panorama", "lineart", "screenshot", "exif_rot", "icc_p3")


def test_every_odd_input_gives_an_image_or_one_line(odd_inputs_dir, capsys):
    """Large inputs are skipped to save time; their size adds nothing."""
    files = [path for path in sorted(odd_inputs_dir.iterdir()) if path.suffix != ".md"]
    files = [path for path in files if not path.name.startswith(LARGE)]
    for suffix in sorted({path.suffix for path in files}):  # separately, as some differ by their suffix only
        some = [str(path) for path in files if path.suffix == suffix]
        assert up(*some, "-o", f"out{suffix}/", "-f", "png", "--json") in (0, 3, 4)
    out, err = capsys.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == len(files)
    failed = {Path(record["input"]).name for record in records if "error" in record}
    assert failed == REFUSED
    assert err.count("\n") == len(failed)
    written = [record for record in records if "error" not in record]
    assert len(list(Path().glob("out*/*"))) == len(written)
    for record in written:
        assert size_of(record["output"]) == (2 * record["width"], 2 * record["height"])
