"""``sparsesr pipe``: real processes, fed by Python, by Node and by a shell."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsesr.cli import pipe
from sparsesr.cli.main import main
from sparsesr.engine.upscaler import Upscaler
from sparsesr.jobs.frames import FrameReader
from sparsesr.modelfile.catalogue import install_model
from support.tiny_models import photo, tiny

EXAMPLES = Path(__file__).resolve().parents[2] / "integrations" / "pipe"
COMMAND = [sys.executable, "-m", "sparsesr", "pipe", "-n", "tiny", "-j", "1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    install_model(tiny(), "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def encoded(height: int, width: int, format: str = "PNG", seed: int = 0) -> bytes:
    data = io.BytesIO()
    Image.fromarray(photo(height, width, seed=seed)).save(data, format)
    return data.getvalue()


def frame(data: bytes) -> bytes:
    return b"%d\n%s" % (len(data), data)


def answers_of(output: bytes) -> list[tuple[dict, bytes]]:
    frames, found = FrameReader(io.BufferedReader(io.BytesIO(output)), 10**9), []
    while (record := frames.next()) is not None:
        image = frames.next()
        assert image is not None
        found.append((json.loads(record), image))
    return found


def run(data: bytes, *options: str) -> tuple[int, list[tuple[dict, bytes]], str]:
    done = subprocess.run([*COMMAND, *options], input=data, capture_output=True, check=False)
    return done.returncode, answers_of(done.stdout), done.stderr.decode()


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def test_each_image_is_answered_by_a_record_and_an_image():
    images = [encoded(12, 16), encoded(9, 7, seed=1)]
    status, answers, errors = run(b"".join(map(frame, images)), "--effort", "0.7")
    assert (status, errors) == (0, "")
    assert [record["input"] for record, _ in answers] == ["image 1", "image 2"]
    upscaler = Upscaler(tiny(), threads=1)
    for source, (record, image) in zip(images, answers, strict=True):
        np.testing.assert_array_equal(pixels(image), upscaler(pixels(source), effort=0.7).image)
        assert (record["output_width"], record["model"], record["effort"]) == (
            pixels(image).shape[1],
            "tiny",
            0.7,
        )
        assert "output" not in record


def test_a_bad_image_is_answered_and_the_next_one_done():
    good = frame(encoded(8, 8, "JPEG"))
    status, answers, errors = run(frame(b"no image") + good + frame(b"") + good, "-f", "png")
    assert status == 3
    assert [len(image) > 0 for _, image in answers] == [False, True, False, True]
    assert answers[0][0]["error"]["code"] == "input" and "image 1: " in answers[0][0]["error"]["message"]
    assert "image 3: the file is empty" in answers[2][0]["error"]["message"]
    assert errors.count("error: ") == errors.count("\n") == 2
    assert answers[1][1].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (b"\x89PNG\r\n and no length", "is not the length of a frame"),
        (b"500\nabc", "the stream ends after 3 of 500 bytes"),
        (b"50", "ends inside the length"),
    ],
)
def test_a_bad_frame_ends_the_work_after_an_answer(tail, words):
    status, answers, errors = run(frame(encoded(6, 6)) + tail)
    assert status == 3 and words in errors and errors.count("\n") == 1
    assert len(answers) == 2 and len(answers[0][1]) > 0
    assert words in answers[1][0]["error"]["message"] and answers[1][1] == b""


def test_a_huge_length_is_answered_at_once():
    """Before any of the announced bytes have been written."""
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as worker:
        worker.stdin.write(b"9000000000000000000\n")
        worker.stdin.flush()
        frames = FrameReader(worker.stdout, 10**6)
        record, image = json.loads(frames.next()), frames.next()
        assert (record["error"]["code"], record["error"]["exit_status"], image) == ("limit", 4, b"")
        worker.stdin.close()
        assert worker.wait(60) == 3
        assert b"ends inside a frame that was refused" in worker.stderr.read()


def test_only_images_over_a_limit_give_its_status():
    status, answers, _ = run(frame(encoded(1200, 1200)), "--memory", "130MB")
    assert status == 4 and answers[0][0]["error"]["code"] == "limit"


def test_no_images_are_no_error():
    assert run(b"") == (0, [], "")


def test_a_reader_that_goes_away_ends_the_worker():
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as worker:
        worker.stdout.close()
        worker.stdin.write(frame(encoded(8, 8)))
        worker.stdin.close()
        assert worker.wait(60) == 1
        assert b"Traceback" not in worker.stderr.read()


@pytest.fixture
def default_interrupts():
    """Child processes do not ignore SIGINT, even if this process was started in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("default_interrupts")
def test_ctrl_c_while_waiting():
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as worker:
        worker.stdin.write(frame(encoded(6, 6)))
        worker.stdin.flush()
        frames = FrameReader(worker.stdout, 10**6)
        assert frames.next() and frames.next()
        worker.send_signal(signal.SIGINT)
        assert worker.wait(60) == 130
        assert worker.stderr.read().count(b"\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--effort", "2"], "--effort 2 is not between 0 and 1"),
        (["--precision", "fp8"], "--precision 'fp8' is unknown"),
        (["-f", "gif"], "cannot write the format 'gif'"),
        (["-n", "nothing"], "no model is named"),
        (["photo.jpg"], "unexpected extra argument"),
    ],
)
def test_wrong_options_end_it_before_the_first_image(options, words):
    done = subprocess.run([*COMMAND, *options], input=b"1\nx", capture_output=True, text=False, check=False)
    assert done.returncode in (2, 3) and done.stdout == b""
    assert words in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_terminals_are_refused(monkeypatch, capsys):
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(pipe.sys, "stdin", Terminal())
    assert main(["pipe"]) == 2
    assert "images come from standard input" in capsys.readouterr().err


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_closed_streams_are_refused(closed):
    command = f"{sys.executable} -m sparsesr pipe {closed}"
    done = subprocess.run(["/bin/sh", "-c", command], input=b"", capture_output=True, check=False)
    assert done.returncode == 2 and b"images come from standard input" in done.stderr


def launcher(folder: Path) -> str:
    """A command for the examples, which call ``sparsesr`` without naming a model."""
    script = folder / "launcher"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m sparsesr "$@" -n tiny -j 1\n')
    script.chmod(0o755)
    return str(script)


EXAMPLE_COMMANDS = {"node": ["node", "upscale.mjs"], "shell": ["sh", "upscale.sh"]}


@pytest.mark.parametrize("example", EXAMPLE_COMMANDS)
def test_the_examples(example, folder):
    program, script = EXAMPLE_COMMANDS[example]
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    sources = [encoded(40, 60), b"no image", encoded(300, 401, "JPEG", seed=2), encoded(5, 4, seed=3)]
    names = ["a.png", "bad.png", "with space.jpg", "c.png"]
    for name, data in zip(names, sources, strict=True):
        Path(name).write_bytes(data)
    Path("out").mkdir()
    done = subprocess.run(
        [program, str(EXAMPLES / script), "out", *names],
        env={**os.environ, "SPARSESR": launcher(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "image 2: " in done.stderr
    written = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert set(written) == {"a_upscaled.png", "with space_upscaled.png", "c_upscaled.png"}
    upscaler = Upscaler(tiny(), threads=1)
    np.testing.assert_array_equal(pixels(written["a_upscaled.png"]), upscaler(pixels(sources[0])).image)
    assert pixels(written["with space_upscaled.png"]).shape == (600, 802, 3)
    assert pixels(written["c_upscaled.png"]).shape == (10, 8, 3)


def test_the_node_example_without_sparsesr(folder):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    Path("a.png").write_bytes(encoded(5, 4))
    done = subprocess.run(
        [node, str(EXAMPLES / "upscale.mjs"), ".", "a.png"],
        env={**os.environ, "SPARSESR": "not-there"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 127
    assert done.stderr.startswith("not-there cannot be started (ENOENT); ") and done.stderr.count("\n") == 1


def test_the_examples_stay_short():
    assert all(len(path.read_text().splitlines()) <= 40 for path in EXAMPLES.iterdir())
