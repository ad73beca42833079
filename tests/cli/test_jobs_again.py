"""Batches: odd folders, running again, and finishing what was interrupted; through the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cli.reported_jobs import APPLE_DOUBLE, CASES, Case
from sparsesr.cli.main import main
from sparsesr.image import encode as encode_module
from sparsesr.modelfile.catalogue import install_model
from sparsesr.modelfile.precision_cost import PrecisionCost
from sparsesr.runtime import precision
from support.tiny_models import photo, size_of, tiny

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".gif": "GIF", ".bmp": "BMP"}


@pytest.fixture(autouse=True)
def folder(work_folder: Path) -> Path:
    return work_folder


def up(*arguments: str) -> int:
    return main(["upscale", "-n", "tiny", "-j", "1", *arguments])


def files() -> set[str]:
    return {str(path) for path in Path().rglob("*") if path.is_file()}


def save(name: str, height: int = 6, width: int = 8) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(height, width)).save(path, FORMATS.get(path.suffix, "PNG"))


def make(file: str) -> None:
    name, _, kind = file.partition("=")
    if name.endswith("/"):
        Path(name).mkdir()
    elif kind in ("apple", "rubbish", "empty"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes({"apple": APPLE_DOUBLE, "rubbish": b"rubbish", "empty": b""}[kind])
    else:
        save(name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reported_jobs(case: Case, capsys):
    for file in case.files.split(" "):
        make(file)
    before = files()
    arguments = case.arguments.split(" ")
    assert up(*arguments) == case.status
    out, err = capsys.readouterr()
    assert files() - before == set(filter(None, case.appear.split(" ")))
    assert before <= files()
    assert case.words in out + err and "internal" not in err
    for name in files() - before:
        assert size_of(name) in {(16, 12), (32, 24)}


def test_names_that_are_not_utf8_are_exact_in_json(capsys):
    save("a.png")
    os.rename(b"a.png", b"caf\xe9.png")  # noqa: PTH104
    assert up(".", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["input"] == "caf\N{REPLACEMENT CHARACTER}.png"
    assert bytes.fromhex(record["input_bytes"]) == b"caf\xe9.png"
    assert bytes.fromhex(record["output_bytes"]) == b"caf\xe9_x2.png"
    assert b"caf\xe9_x2.png" in {os.fsencode(path.name) for path in Path().iterdir()}
    save("b.png"), save("c\nd.png")
    assert up("b.png", "c\nd.png", "--json") == 0
    names = [json.loads(line)["input"] for line in capsys.readouterr().out.splitlines()]
    assert names == ["b.png", "c\nd.png"]


@pytest.mark.parametrize(
    "address", ["file://{}/a%20b.png", "file:{}/a%20b.png", "file://localhost{}/a b.png"]
)
def test_file_addresses_are_understood(folder, address):
    save("a b.png")
    assert up(address.format(folder), "-o", f"file://{folder}/o/") == 0
    assert Path("o/a b_x2.png").exists()


def test_the_home_folder_is_understood(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    save("p/a.png")
    assert up("~/p", "--output=~/o/") == 0
    assert Path("o/a_x2.png").exists() and not Path("~").exists()
    save("~/a.png")
    assert up("~/a.png") == 0, "a folder with this very name comes first"
    assert Path("~/a_x2.png").exists()


def states() -> dict[str, int]:
    return {name: Path(name).stat().st_mtime_ns for name in files() if "_x2" in name}


def interrupt_after(count: int, number: signal.Signals, monkeypatch) -> None:
    """Send a signal while the result after ``count`` complete ones is written."""
    write, written = encode_module._write, []

    def press_and_write(*args):
        written.append(args)
        if len(written) == count + 1:
            os.kill(os.getpid(), number)
        write(*args)

    monkeypatch.setattr(encode_module, "_write", press_and_write)


@pytest.fixture
def signals_are_handled():
    """Test runs in the background ignore Ctrl-C, and under nohup SIGHUP."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("extra", [[], ["--overwrite"], ["--skip-existing"]])
def test_the_same_command_finishes_an_interrupted_job(
    number, extra, monkeypatch, capsys, signals_are_handled
):
    for name in ("d/a.png", "d/b.png", "d/c.png", "d/s/e.png"):
        save(name)
    if extra == ["--overwrite"]:
        assert up("d", "-r") == 0
    old = states()
    with monkeypatch.context() as patched:
        interrupt_after(2, number, patched)
        assert up("d", "-r", *extra) == 128 + number
    assert "the same command upscales the rest" in capsys.readouterr().err
    assert not [name for name in files() if name.endswith(".tmp")]
    done = {name: state for name, state in states().items() if old.get(name) != state}
    assert len(done) == 2
    assert up("d", "-r", *extra) == 0
    assert all(states()[name] == state for name, state in done.items()), "not done again"
    assert set(states()) == {"d/a_x2.png", "d/b_x2.png", "d/c_x2.png", "d/s/e_x2.png"}
    assert all(states()[name] != state for name, state in old.items()), "all done again, once"
    assert not [name for name in files() if "job" in name], "the journal is removed"


def test_only_the_same_job_is_continued(monkeypatch, capsys, signals_are_handled):
    for name in ("a.png", "b.png"):
        save(name)
    with monkeypatch.context() as patched:
        interrupt_after(1, signal.SIGTERM, patched)
        assert up("a.png", "b.png") == 143
    capsys.readouterr()
    assert up("a.png", "b.png", "--quality", "50") == 3, (
        "other settings: the result that exists is not theirs"
    )
    assert "a_x2.png: exists" in capsys.readouterr().err
    Path("b_x2.png").unlink()
    save("a.png", 10, 10)
    assert up("a.png", "b.png") == 3, "the input has changed since"
    assert "a_x2.png: exists" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["weights", "version"])
def test_a_job_is_not_continued_with_other_weights_or_another_version(
    change, monkeypatch, capsys, signals_are_handled
):
    for name in ("a.png", "b.png"):
        save(name)
    with monkeypatch.context() as patched:
        interrupt_after(1, signal.SIGTERM, patched)
        assert up("a.png", "b.png", "--overwrite") == 143
    first = states()
    if change == "weights":
        install_model(tiny(detail=0.04), "tiny", overwrite=True)
    else:
        monkeypatch.setattr("sparsesr.cli.upscale.__version__", "99")
    assert up("a.png", "b.png", "--overwrite") == 0
    assert states()["a_x2.png"] != first["a_x2.png"]
    assert "2 of 2 images upscaled, 0 failed" in capsys.readouterr().err


def interrupted(after: int, monkeypatch, *arguments: str) -> None:
    """A job that SIGTERM ends after so many results."""
    with monkeypatch.context() as patched:
        interrupt_after(after, signal.SIGTERM, patched)
        assert up(*arguments) == 143


def test_what_another_job_has_written_since_is_done_again(monkeypatch, signals_are_handled):
    for name in ("a.png", "b.png"):
        save(name)
    job = ("a.png", "b.png", "-f", "jpg", "--overwrite", "--quality")
    interrupted(1, monkeypatch, *job, "60")
    first = Path("a_x2.jpg").read_bytes()
    assert up(*job, "95") == 0
    assert Path("a_x2.jpg").read_bytes() != first
    assert up(*job, "60") == 0
    assert Path("a_x2.jpg").read_bytes() == first


def test_a_result_with_the_size_and_time_of_the_one_before_is_done(monkeypatch, capsys, signals_are_handled):
    for name in ("a.png", "b.png"):
        save(name)
    job = ("a.png", "b.png", "--preserve-time", "--overwrite")
    assert up(*job) == 0
    interrupted(1, monkeypatch, *job)
    capsys.readouterr()
    assert up(*job) == 0
    assert "a.png: skipped, a_x2.png done before the interruption" in capsys.readouterr().out


def test_a_job_goes_on_in_its_precision_whatever_is_measured_then(monkeypatch, capsys, signals_are_handled):
    model = tiny()
    cost = PrecisionCost(2, 36.0, 0.0, 0.0, "an image")
    install_model(replace(model, facts=model.facts.with_costs("bf16", [cost])), "tiny", overwrite=True)
    for name in ("a.png", "b.png"):
        save(name)
    monkeypatch.setattr(precision, "_adopted", {})
    monkeypatch.setattr(precision, "has_instructions", lambda each: each == "bf16")
    monkeypatch.setattr(precision, "_peaks", lambda *_: {"f32": 1.0, "bf16": precision.MIN_GAIN})
    interrupted(1, monkeypatch, "a.png", "b.png", "--json")
    monkeypatch.setattr(precision, "_peaks", lambda *_: {"f32": 1.0, "bf16": 1.0})
    assert up("a.png", "b.png", "--json") == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["precision"] for record in records if "precision" in record] == ["bf16", "bf16"]


def test_a_result_older_than_its_input_is_skipped_with_a_word(capsys):
    save("a.png")
    assert up("a.png") == 0
    os.utime("a_x2.png", (1, 1))
    assert up("a.png", "--skip-existing") == 0
    assert "skipped, a_x2.png exists, but is older than the input" in capsys.readouterr().out
    assert up("a.png", "--skip-existing", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["input"], record["output"]) == ("a.png", "a_x2.png") and "older" in record["skipped"]


_KILLED = """
import os, signal, sys
from sparsesr.image import encode
from sparsesr.cli.main import main
write, left = encode._write, int(sys.argv.pop(1))
def write_and_die(prepared, file, *rest):
    global left
    left -= 1
    write(prepared, file, *rest)
    if left == 0:
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
encode._write = write_and_die
sys.exit(main())
"""


def killed(writes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _KILLED, str(writes), "upscale", "-n", "tiny", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_killed_job_is_finished_by_the_same_command_and_its_temporary_file_removed():
    for name in ("d/a.png", "d/b.png", "d/c.png"):
        save(name)
    assert killed(2, "d").returncode == -signal.SIGKILL
    left = [name for name in files() if name.endswith(".tmp")]
    assert len(left) == 1 and Path(left[0]).stat().st_size > 0
    done = states()
    assert set(done) == {"d/a_x2.png"}
    finished = killed(9, "d")
    assert finished.returncode == 0, finished.stderr
    assert set(states()) == {"d/a_x2.png", "d/b_x2.png", "d/c_x2.png"}
    assert states()["d/a_x2.png"] == done["d/a_x2.png"]
    assert not [name for name in files() if Path(name).name.startswith(".")]


def test_a_link_to_another_input_is_left_out_with_a_word(capsys):
    save("d/a.png"), save("d/c.png")
    Path("d/b.png").symlink_to("a.png")
    assert up("d", "d/a.png", "-o", "out/") == 0
    assert {path.name for path in Path("out").iterdir()} == {"a_x2.png", "c_x2.png"}
    assert "note: d/b.png: linked with another input, which is upscaled once" in capsys.readouterr().err


def test_of_a_file_and_links_to_it_the_file_is_upscaled_whatever_comes_first(capsys):
    save("d/b.png")
    for link in ("a.png", "c.png"):
        Path("d", link).symlink_to("b.png")
    assert up("d", "-o", "out/") == 0
    assert [path.name for path in Path("out").iterdir()] == ["b_x2.png"]
    assert "note: d/a.png, d/c.png: linked with another input" in capsys.readouterr().err


def test_linked_folders_are_named_in_a_note_unless_they_are_entered_anyway(capsys):
    save("elsewhere/b.png"), save("d/a.png"), save("d/s/c.png")
    Path("d/link").symlink_to("../elsewhere"), Path("d/same").symlink_to("s"), Path("d/.hid").symlink_to("s")
    assert up("d") == 0
    assert "linked" not in capsys.readouterr().err
    assert up("d", "-r", "-o", "out/") == 0
    assert "note: d/link: linked folders are not entered; name them to" in capsys.readouterr().err
    assert not list(Path().rglob("b_x2.png"))
    assert up("d", "d/link", "-r", "-o", "again/") == 0
    assert "linked" not in capsys.readouterr().err and Path("again/b_x2.png").exists()
    Path("only").mkdir(), Path("only/link").symlink_to("../elsewhere")
    assert up("only", "-r") == 3
    assert "linked folders in it are not entered; name them" in capsys.readouterr().err
