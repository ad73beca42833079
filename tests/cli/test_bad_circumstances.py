"""Full disks, missing permissions, odd sizes and Ctrl-C, tested through the command line."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsesr import _native
from sparsesr.cli.main import main
from sparsesr.image import destination, source
from sparsesr.runtime.session import Session
from support.tiny_models import photo, size_of

VERBS = ("upscale", "mask")


@pytest.fixture(autouse=True)
def folder(work_folder: Path) -> Path:
    Image.fromarray(photo(24, 32)).save("a.png")
    return work_folder


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("large") / "big.png"
    Image.fromarray(photo(1200, 1600)).save(path)
    return path


@pytest.fixture(autouse=True)
def ctrl_c_is_handled():
    """Restore the default handler: Ctrl-C is ignored, and stays so, if the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def names() -> list[str]:
    return sorted(path.name for path in Path().rglob("*"))


def refusal(capsys, status: int, *arguments: str) -> str:
    """Run a command that fails and return its one-line message; nothing may have been written."""
    before = names()
    assert main([*arguments, "-n", "tiny", "-j", "1"]) == status
    _, err = capsys.readouterr()
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert names() == before
    return err


class FullDisk(io.FileIO):
    def write(self, data):
        if self.tell() + len(data) > 200:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tif"])
def test_a_full_disk(capsys, monkeypatch, verb, extension):
    monkeypatch.setattr(destination.os, "fdopen", lambda descriptor, mode: FullDisk(descriptor, mode))
    assert "no space left" in refusal(capsys, 3, verb, "a.png", "-o", f"out.{extension}")


@pytest.mark.parametrize("verb", VERBS)
def test_a_file_size_limit_of_the_system(verb):
    """Runs in a separate process, since the limit is permanent and raises a signal."""
    pytest.importorskip("resource")
    code = (
        "import resource, sys; from sparsesr.cli.main import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)); sys.exit(main())"
    )
    command = [sys.executable, "-c", code, verb, "a.png", "-n", "tiny", "-o", "out.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "larger than the system allows" in done.stderr and done.stderr.count("\n") == 1
    assert names() == ["a.png"]


@pytest.mark.parametrize("verb", VERBS)
def test_no_permission_to_write(capsys, monkeypatch, verb):
    monkeypatch.setattr(destination.os, "access", lambda *_: False)
    assert "no permission to write there" in refusal(capsys, 3, verb, "a.png")


@pytest.mark.parametrize("verb", VERBS)
def test_permission_lost_in_the_meantime(capsys, monkeypatch, verb):
    def refuse(*_args):
        raise PermissionError(errno.EACCES, "Permission denied")

    create = os.open
    monkeypatch.setattr(
        destination.os,
        "open",
        lambda path, flags, *a: (refuse if flags & os.O_CREAT else create)(path, flags, *a),
    )
    assert "no permission to write there" in refusal(capsys, 3, verb, "a.png")


@pytest.mark.parametrize("verb", VERBS)
def test_no_permission_to_read(capsys, monkeypatch, verb):
    really_open = os.open

    def refuse(path, *more, **named):
        if os.fspath(path) == "a.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return really_open(path, *more, **named)

    monkeypatch.setattr(source.os, "open", refuse)
    assert "a.png: no permission to read it" in refusal(capsys, 3, verb, "a.png")


@pytest.mark.parametrize("verb", VERBS)
def test_the_input_as_output(capsys, verb):
    assert "is the input itself" in refusal(capsys, 2, verb, "a.png", "-o", "./a.png", "--overwrite")
    Path("link.png").symlink_to("a.png")
    assert "is the input itself" in refusal(capsys, 2, verb, "a.png", "-o", "link.png", "--overwrite")


LONG = "x" * 300 + ".png"


@pytest.mark.parametrize("verb", VERBS)
def test_names_that_are_too_long(capsys, verb):
    assert "name is too long" in refusal(capsys, 3, verb, "a.png", "-o", LONG)


def test_names_out_of_reach_do_not_stop_the_others(capsys):
    Path("loop.png").symlink_to("loop.png")
    assert main(["upscale", LONG, "*" + LONG, ".", "-o", "out/", "-n", "tiny", "-q"]) == 3
    err = capsys.readouterr().err
    for name in (LONG, "*" + LONG, "loop.png"):
        assert f"error: {name}: " in err
    assert [path.name for path in Path("out").iterdir()] == ["a_x2.png"]


@pytest.mark.parametrize("name", ["", "file://"])
def test_an_empty_name_is_not_the_current_folder(capsys, name):
    assert "has no name" in refusal(capsys, 3, "upscale", name)


def test_masks_at_another_effort():
    assert main(["mask", "a.png", "--effort", "0.3", "-n", "tiny", "-q"]) == 0
    assert Path("a_mask.png").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_as_output_receives_the_file(verb):
    Path("taken").mkdir()
    assert main([verb, "a.png", "-o", "taken", "-n", "tiny", "-q"]) == 0
    assert [path.name for path in Path("taken").iterdir()] == [f"a_{'x2' if verb == 'upscale' else verb}.png"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_with_the_name_of_the_output(capsys, verb):
    Path(f"a_{'x2' if verb == 'upscale' else verb}.png").mkdir()
    assert "is a folder" in refusal(
        capsys, 3, verb, "a.png", "--overwrite", *(["-o", "."] if verb == "mask" else [])
    )


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
def test_an_empty_file(capsys, verb, extension):
    Path(f"empty.{extension}").touch()
    assert f"empty.{extension}: the file is empty" in refusal(capsys, 3, verb, f"empty.{extension}")


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 37), (53, 1), (2, 3), (3, 3), (1, 700)])
@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tif"])
def test_the_smallest_images(shape, extension):
    pixels = np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("s.png")
    assert main(["upscale", "s.png", "-n", "tiny", "-o", f"s_out.{extension}", "-q"]) == 0
    assert size_of(f"s_out.{extension}") == (2 * shape[1], 2 * shape[0])


def test_a_line_of_pixels_shows_no_masks(capsys):
    Image.fromarray(photo(1, 9)).save("line.png")
    assert "too few to show masks" in refusal(capsys, 2, "mask", "line.png")


def interrupt(verb: str, delay_s: float, extension: str) -> subprocess.CompletedProcess[str]:
    """Start a command, press Ctrl-C after a delay, and wait for its end."""
    code = (  # the delay begins when the command handles signals, however long it takes until then
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from sparsesr.cli import main; run = main._guarded_dispatch;"
        "main._guarded_dispatch = lambda *given: (print('started', flush=True), run(*given))[1];"
        "sys.exit(main.main())"
    )
    command = [sys.executable, "-c", code, verb, "big.png", *f"-j 1 --effort 1 -o out.{extension}".split()]
    # Tiles would be done before a late Ctrl-C.
    slow = os.environ | {"SPARSESR_CPU": _native.cpu_features()[:2][-1]}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, env=slow) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(delay_s)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("delay_s", [0.05, 0.4, 1.6])
def test_an_interruption_leaves_nothing(large, verb, delay_s):
    """Every pixel of a large image takes long; the delays reach back to the first import."""
    shutil.copy(large, "big.png")
    done = interrupt(verb, delay_s, "png")
    assert done.returncode == 130, done.stderr
    *before, last = done.stderr.splitlines()
    assert last.startswith("error: ") and "interrupted" in last
    assert all("about" in line for line in before), done.stderr  # the expected time may be announced
    assert names() == ["a.png", "big.png"]


@pytest.mark.parametrize("verb", VERBS)
def test_an_interruption_between_bands_names_the_file(monkeypatch, capsys, verb):
    run = Session.run

    def press_and_run(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return run(*args, **kwargs)

    monkeypatch.setattr(Session, "run", press_and_run)
    assert refusal(capsys, 130, verb, "a.png") == "error: a.png: interrupted; nothing was written for it\n"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tif"])
def test_an_interruption_while_the_result_is_written(monkeypatch, capsys, verb, extension):
    from sparsesr.image import encode as encode_module

    write = encode_module._write

    def press_and_write(*args):
        os.kill(os.getpid(), signal.SIGINT)
        write(*args)

    monkeypatch.setattr(encode_module, "_write", press_and_write)
    err = refusal(capsys, 130, verb, "a.png", "-o", f"out.{extension}")
    assert err == "error: a.png: interrupted; nothing was written for it\n"


def test_an_interruption_that_python_swallows(monkeypatch, capsys):
    class Dying:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    def work(*_args):
        Dying()
        time.sleep(10)

    monkeypatch.setattr("sparsesr.cli.main._dispatch", work)
    assert main(["upscale", "a.png"]) == 143
    assert capsys.readouterr().err == "error: interrupted; no incomplete files were left behind\n"


def test_an_interruption_that_an_import_swallows(monkeypatch, capsys):
    def swallowing_import(name):
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return sys.modules[name]

    monkeypatch.setattr("importlib.import_module", swallowing_import)
    assert main(["upscale", "a.png"]) == 130
    assert capsys.readouterr().err == "error: interrupted; no incomplete files were left behind\n"
    assert names() == ["a.png"]


def test_an_interruption_that_a_library_converts_to_its_own_error(monkeypatch, capsys):
    def interrupted_import(*_args):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("could not import module datetime") from None

    monkeypatch.setattr("sparsesr.cli.main._dispatch", interrupted_import)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "error: interrupted; no incomplete files were left behind\n"


def test_a_background_process_ignores_ctrl_c(monkeypatch):
    from sparsesr.cli import interrupts
    from sparsesr.cli.interrupts import interruptible

    monkeypatch.setattr(interrupts, "_received", [])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible() as pressed:
            os.kill(os.getpid(), signal.SIGINT)
            assert not pressed()
    finally:
        signal.signal(signal.SIGINT, before)
