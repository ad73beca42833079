"""Standard streams that are closed, full, without a reader, or unable to show a name: work goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support.tiny_models import photo, size_of

SHELL = Path("/bin/sh")
FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not SHELL.exists() or not FULL.exists(), reason="needs a Unix shell")
LOST = "standard output: cannot be written: no space left on the disk"
DONE = "a.png 8x6 -> a_x2.png 16x12"
MISSING = "error: none.png: no such file"


@pytest.fixture(autouse=True)
def folder(work_folder: Path) -> Path:
    Image.fromarray(photo(6, 8)).save("a.png")
    return work_folder


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command in which ``sparsesr`` is this package."""
    prefix = f'sparsesr() {{ "{sys.executable}" -m sparsesr "$@"; }}; '
    return subprocess.run(
        [str(SHELL), "-c", prefix + command],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("redirection", "out", "err"),
    [
        (">&-", "", MISSING),
        ("2>&-", DONE, ""),
        ("<&-", DONE, MISSING),
        ("<&- >&- 2>&-", "", ""),
        (">/dev/full", "", LOST),
        ("2>/dev/full", DONE, ""),
        (">/dev/full 2>/dev/full", "", ""),
    ],
)
def test_work_goes_on_whatever_the_streams_are(redirection, out, err):
    done = shell(f"sparsesr upscale a.png none.png -n tiny {redirection}")
    assert done.returncode == 3
    assert out in done.stdout and err in done.stderr and "internal" not in done.stderr
    assert bool(done.stdout) == bool(out) and bool(done.stderr) == bool(err)
    assert size_of("a_x2.png") == (16, 12)
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "a_x2.png"]


def test_lost_output_alone_is_an_error():
    done = shell("sparsesr upscale a.png -n tiny >/dev/full")
    assert done.returncode == 3
    assert done.stderr == f"error: {LOST}; its contents are incomplete\n"
    assert size_of("a_x2.png") == (16, 12)
    done = shell("sparsesr models list >/dev/full")
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and LOST in done.stderr


@pytest.mark.parametrize(
    ("extra", "status", "error"),
    [
        (
            "--json",
            3,
            "error: standard output: cannot be written: it is closed; its contents are incomplete\n",
        ),
        ("--quiet", 0, ""),
    ],
)
def test_a_record_for_a_closed_stream_is_lost(extra, status, error):
    done = shell(f"sparsesr upscale a.png -n tiny {extra} >&-")
    assert (done.returncode, done.stderr) == (status, error)
    assert size_of("a_x2.png") == (16, 12)


@pytest.mark.parametrize("pipe", ["| true", "2>&1 | true", "--json | true"])
def test_a_reader_that_is_gone_does_not_stop_the_work(pipe):
    # The reader ends before anything is printed: it does not wait for input.
    done = shell(
        f"{{ sparsesr upscale a.png none.png -n tiny; echo $? >status; }} {pipe.replace('--json ', '')}"
    )
    assert Path("status").read_text() == "3\n"
    assert "Broken" not in done.stderr and "internal" not in done.stderr
    assert size_of("a_x2.png") == (16, 12)


def test_an_image_for_a_closed_or_full_stream_is_not_lost_unsaid():
    done = shell("sparsesr upscale - -n tiny <a.png >&-")
    assert (done.returncode, done.stderr) == (3, "error: standard output: is closed\n")
    done = shell("sparsesr upscale - -n tiny <a.png >/dev/full")
    assert done.returncode == 3 and done.stderr.startswith(f"error: {LOST}") and done.stderr.count("\n") == 1
    done = shell("sparsesr upscale - -n tiny -o b.png <&-")
    assert (done.returncode, done.stderr) == (3, "error: standard input: is closed\n")


@pytest.mark.parametrize("encoding", ["latin1", "ascii", "ascii:strict", "cp1252"])
def test_names_that_the_encoding_cannot_show(encoding):
    Path("a.png").rename("снимок.png")
    done = shell("sparsesr upscale *.png none.png -n tiny", PYTHONIOENCODING=encoding)
    assert done.returncode == 3
    assert r"\u0441\u043d" in done.stdout and MISSING in done.stderr
    assert size_of("снимок_x2.png") == (16, 12)
    done = shell("sparsesr upscale *.png -n tiny --json --overwrite", PYTHONIOENCODING=encoding)
    assert json.loads(done.stdout)["output"] == "снимок_x2.png"


def test_a_folder_that_was_removed(folder):
    other = folder.parent / "b.png"
    (folder / "a.png").rename(other)
    remove = 'mkdir gone; cd gone; rmdir "$PWD"; '
    done = shell(remove + f"sparsesr upscale c.png '{other}' -n tiny")
    assert done.returncode == 3 and "error: c.png: no such file" in done.stderr
    assert size_of(folder.parent / "b_x2.png") == (16, 12)
    done = shell(remove + f"sparsesr upscale '{other}' -n tiny -o c.png")
    assert done.returncode == 3 and done.stderr.startswith("error: c.png: cannot be written")
    done = shell(remove + "sparsesr upscale . -n tiny")
    assert done.returncode == 3 and "error: .: no images in this folder" in done.stderr
