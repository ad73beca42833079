"""Threads, and processes started by fork, spawn and forkserver, after files have been upscaled here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sparsesr
from sparsesr import upscale
from sparsesr.image.decode import decode
from support.tiny_models import photo, tiny

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
WAIT_S = 240


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "a.png"
    Image.fromarray(photo(12, 16)).save(path)
    return path


def _expected(source: Path) -> np.ndarray:
    return upscale(np.asarray(Image.open(source)), model=tiny(), threads=1)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_started_processes_upscale_files(source, method):
    code = f"""
        import multiprocessing, sys
        from pathlib import Path
        from sparsesr import upscale
        if __name__ == "__main__":
            source = Path(sys.argv[1])
            upscale(source, output=source.with_name("parent.png"))
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                targets = [str(source.with_name(f"child{{n}}.png")) for n in range(3)]
                jobs = [pool.apply_async(upscale, (source,), {{"output": target}}) for target in targets]
                print(*(job.get({WAIT_S}).name for job in jobs))
    """
    program = source.with_name("program.py")
    program.write_text(textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, program, source],
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_S,
        cwd=source.parent,
    )
    assert done.stdout.split() == ["child0.png", "child1.png", "child2.png"], done.stderr
    parent = decode(source.with_name("parent.png")).rgb
    for number in range(3):
        np.testing.assert_array_equal(decode(source.with_name(f"child{number}.png")).rgb, parent)


def test_threads_upscale_files(source):
    targets = [source.with_name(f"{number}.png") for number in range(6)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda target: upscale(source, model=tiny(), output=target), targets))
    for target in targets:
        np.testing.assert_array_equal(decode(target).rgb, _expected(source))


def forked(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that forks; it is killed with all its processes if they hang."""
    program = (
        "import os, sys, threading, numpy as np, sparsesr\nfrom pathlib import Path\n" + textwrap.dedent(code)
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.fail("the child hangs")
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


_ENDING = """
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_upscales_files_like_its_parent(source):
    done = forked(
        """
    sparsesr.upscale("a.png", output="parent.png")
    child = os.fork()
    if child == 0:
        print(sparsesr.upscale("a.png", output="child.png"), flush=True)
        try:
            sparsesr.upscale("a.png", output="child.png")
        except sparsesr.errors.InputError as error:
            print(error, flush=True)
        os._exit(0)
    """
        + _ENDING,
        source.parent,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "child.png"
    assert done.stdout.splitlines()[1].startswith("child.png: exists; ")
    parent, child = (decode(source.with_name(name)).rgb for name in ("parent.png", "child.png"))
    np.testing.assert_array_equal(parent, child)


def test_a_forked_child_takes_the_model_that_the_file_asks_for(source):
    Image.fromarray(photo(12, 16)).save(source.with_name("a.jpg"), quality=50)
    done = forked(
        """
    from sparsesr.engine.execute import RunOptions
    from sparsesr.jobs.files import WriteOptions, upscale_file
    upscaler, source, writing = sparsesr.Upscaler(), Path("a.jpg"), WriteOptions(format="png")
    expected = upscale_file(upscaler, source, None, RunOptions(), writing)
    child = os.fork()
    if child == 0:
        plans = []
        options = RunOptions(on_plan=lambda plan: plans.append(plan.mode.value))
        done = upscale_file(upscaler, source, None, options, writing)
        assert done.model == expected.model == "photo_x2"
        assert done.upscaled.image == expected.upscaled.image
        assert plans == ["whole"]
        os._exit(0)
    """
        + _ENDING,
        source.parent,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_child_reports_progress_and_can_be_cancelled(source):
    done = forked(
        """
    from sparsesr.errors import CancelledError
    sparsesr.upscale("a.png", output="parent.png")
    child = os.fork()
    if child == 0:
        steps = []
        sparsesr.upscale("a.png", output="b.png", progress=lambda *step: steps.append(step))
        assert steps and steps[-1][0] == steps[-1][1]
        try:
            sparsesr.upscale("a.png", output="c.png", cancelled=lambda: True)
        except CancelledError:
            os._exit(0)
        os._exit(9)
    """
        + _ENDING,
        source.parent,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in source.parent.iterdir()) == ["a.png", "b.png", "parent.png"]


def test_a_pool_of_forked_processes(source):
    done = forked(
        """
    import multiprocessing
    sparsesr.upscale("a.png", output="parent.png")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        jobs = [pool.apply_async(sparsesr.upscale, ("a.png",), {"output": f"{n}.png"}) for n in range(3)]
        print(*(job.get() for job in jobs))
    """,
        source.parent,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0.png 1.png 2.png\n", "")


def test_libvips_itself_is_refused_in_such_a_child(source):
    done = forked(
        """
    from sparsesr.errors import BackendError
    from sparsesr.image.decode import decode
    from sparsesr.image.decoded_image import DecodedImage
    from sparsesr.image.encode import encode
    image = decode(Path("a.png"))
    child = os.fork()
    if child == 0:
        for work in (lambda: decode(Path("a.png")), lambda: encode(image, Path("b.png"))):
            try:
                work()
            except BackendError as error:
                print(error, flush=True)
        os._exit(0)
    """
        + _ENDING,
        source.parent,
    )
    first, second = done.stdout.splitlines()
    assert first == second and "forked from one that had already done so; start it with" in first
    assert sorted(path.name for path in source.parent.iterdir()) == ["a.png"]


def test_libvips_that_other_code_has_used_is_noticed(source):
    if not Path("/proc/self/task").exists():
        pytest.skip("threads have no visible names here")
    done = forked(
        """
    import pyvips, sparsesr.image.vips
    pyvips.Image.black(400, 400).avg()
    child = os.fork()
    if child == 0:
        print(sparsesr.upscale("a.png", output="child.png"), flush=True)
        os._exit(0)
    """
        + _ENDING,
        source.parent,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "child.png\n", "")


def test_a_fork_before_the_first_image_needs_no_detour(source):
    done = forked(
        """
    import sparsesr.jobs.upscale
    from sparsesr.image.vips_threads import is_lost
    sparsesr.Upscaler(threads=2)(np.zeros((40, 40, 3), np.uint8))
    child = os.fork()
    if child == 0:
        print(sparsesr.upscale("a.png", output="child.png"), is_lost(), flush=True)
        sys.exit(0)
    """
        + _ENDING,
        source.parent,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "child.png False\n", "")


def test_a_process_that_dies_is_an_error(source):
    source.with_name("deadly.py").write_text("import os\ndef work(options):\n    os._exit(7)\n")
    done = forked(
        """
    from deadly import work
    from sparsesr.errors import BackendError
    from sparsesr.jobs.fresh_process import run_afresh
    from sparsesr.engine.execute import RunOptions
    try:
        run_afresh(work, RunOptions())
    except BackendError as error:
        print(error)
    sys.executable = "/nowhere/python"
    try:
        run_afresh(work, RunOptions())
    except BackendError as error:
        print(error)
    """,
        source.parent,
    )
    died, absent = done.stdout.splitlines()
    assert "ended with status 7, " in died and "'spawn' or 'forkserver'" in died
    assert "cannot be started (No such file or directory)" in absent


@pytest.mark.parametrize("threads", [1, 2])
def test_arrays_are_upscaled_in_children_forked_while_threads_are_busy(source, threads):
    """The threads of the parent, and the locks and memory that they hold, do not exist in the child."""
    done = forked(
        f"""
    upscaler = sparsesr.Upscaler(threads={threads})
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    expected = upscaler(image, effort=0.5).image
    started, ended = threading.Event(), threading.Event()
    def work():
        while not ended.is_set():
            upscaler(image, progress=lambda *_: started.set())
    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    started.wait()
    for _ in range(8):
        child = os.fork()
        if child == 0:
            same = np.array_equal(upscaler(image, effort=0.5).image, expected)
            os._exit(0 if same and upscaler.budget.reserved_bytes == 0 else 9)
        assert os.waitpid(child, 0)[1] == 0
    ended.set()
    for worker in workers:
        worker.join()
    """,
        source.parent,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("module", "function", "settings", "other_size"),
    [
        pytest.param("engine.networks", "load_model", "width=16", (8, 6), id="loads a network of x3"),
        pytest.param("runtime.plan.planner", "make_execution_plan", "", (16, 16), id="plans a run"),
    ],
)
def test_a_child_is_forked_while_a_thread_holds_a_lock(source, module, function, settings, other_size):
    """A lock that every other call needs for a moment, so that busy threads rarely hold it when a child is forked."""
    done = forked(
        f"""
    from sparsesr.{module} import {function} as work
    import sparsesr.{module} as module
    image, other = np.zeros((8, 8, 3), np.uint8), np.zeros({(*other_size, 3)}, np.uint8)
    upscaler = sparsesr.Upscaler({settings})
    expected = upscaler(image).image
    working, may_end = threading.Event(), threading.Event()
    def work_slowly(*arguments):
        working.set()
        may_end.wait()
        return work(*arguments)
    module.{function} = work_slowly
    worker = threading.Thread(target=upscaler, args=(other,))
    worker.start()
    working.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(upscaler(image).image, expected) else 9)
    assert os.waitpid(child, 0)[1] == 0
    may_end.set()
    worker.join()
    """,
        source.parent,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("package", ["engine", "image", "measure", "modelfile", "runtime"])
def test_what_children_use_has_no_locks_that_stay_taken(package):
    """As those of ``threading`` do in a forked child, and that of ``cached_property`` before Python 3.12."""
    folder = Path(sparsesr.__file__).parent / package
    taken = re.compile(r"threading\.R?Lock\b|\bcached_property\b")
    found = [str(file) for file in folder.rglob("*.py") if taken.search(file.read_text(encoding="utf-8"))]
    assert list(folder.rglob("*.py")) and not found
