"""``sparsesr batch`` on this machine: real processes, compared byte for byte with ``sparsesr upscale``."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from cluster.images import folder_of, records, results, save, states, upscaled
from sparsesr import _native
from sparsesr.cli import batch_run
from sparsesr.cli.main import main
from sparsesr.cluster import layout, local_fleet
from sparsesr.cluster.manifest import NAME
from support.tiny_models import photo

TINY = ("-n", "tiny", "--precision", "fp32")


@pytest.fixture(autouse=True)
def folder(work_folder: Path) -> Path:
    return work_folder


def batch(*arguments: str, threads: int = 2) -> int:
    return main(["batch", "in", "-o", "out", "-j", str(threads), *TINY, *arguments])


def test_results_and_records_are_those_of_upscale(capsys):
    folder_of(6)
    save("in/sub/a.png")
    Path("in/bad.png").write_bytes(b"rubbish")
    assert main(["upscale", "in", "-r", "-o", "expected/", "--json", "-j", "1", *TINY]) == 3
    one = {record["input"]: record for record in map(json.loads, capsys.readouterr().out.splitlines())}
    assert batch("-r", "--json") == 3
    printed = capsys.readouterr()
    files, summary = records(printed.out)
    assert results("out") == results("expected") and len(results("out")) == 7
    assert (summary["images"], summary["done"], summary["failed"], summary["skipped"]) == (8, 7, 1, 0)
    assert "error: in/bad.png: is not an image" in printed.err
    for record in files:
        same = {"seconds", "network_seconds", "output"}
        other = one[record["input"]]
        assert {key: value for key, value in record.items() if key not in same} == {
            key: value for key, value in other.items() if key not in same
        }
    assert not list(Path("out").rglob(".*"))


def test_files_choose_their_default_model(capsys):
    save("in/clean.png")
    Image.fromarray(photo(12, 16)).save("in/compressed.jpg", quality=60)
    assert main(["batch", "in", "-o", "out", "-j", "2", "--json", "-f", "png"]) == 0
    files, _ = records(capsys.readouterr().out)
    models = {record["input"]: record["model"] for record in files}
    assert models == {"in/clean.png": "skim_fast_x2", "in/compressed.jpg": "photo_x2"}
    assert main(["upscale", "in", "-o", "expected/", "-f", "png", "-j", "1", "-q"]) == 0
    assert results("out") == results("expected")


def test_lines_and_a_summary_are_printed(capsys):
    folder_of(3)
    assert batch() == 0
    printed = capsys.readouterr()
    assert printed.out.count("in 0.") == 3 and "in/00.png 16x12 -> out/00_x2.png 32x24" in printed.out
    assert printed.err == "3 of 3 images upscaled, 0 failed\n"
    assert batch("--resume", "-q") == 0
    assert capsys.readouterr().out == ""


def test_only_the_rest_is_done_when_a_batch_is_resumed(capsys):
    folder_of(4)
    assert batch("-q") == 0
    before = states("out")
    save("in/01.png", 20, 20)
    save("in/new.png")
    Path("out/02_x2.png").unlink()
    capsys.readouterr()
    assert batch("-q") == 2
    assert "is the manifest of an earlier batch; pass --resume to continue it" in capsys.readouterr().err
    assert batch("--resume", "--json") == 0
    files, summary = records(capsys.readouterr().out)
    assert {record["input"] for record in files if "skipped" in record} == {"in/00.png", "in/03.png"}
    assert (summary["done"], summary["skipped"]) == (3, 2)
    after = states("out")
    assert after["00_x2.png"] == before["00_x2.png"] and after["01_x2.png"] != before["01_x2.png"]
    assert results("out") == upscaled("in", *TINY)


def test_other_settings_make_new_results():
    folder_of(2)
    assert batch("-q") == 0
    old = results("out")
    assert batch("-q", "--resume", "--effort", "1") == 0
    new = results("out")
    assert all(new[name] != old[name] for name in old)
    assert new == upscaled("in", "--effort", "1", *TINY)


def test_the_users_options_decide_about_files_of_others(capsys):
    folder_of(3)
    save("out/01_x2.png", 5, 5)
    other = Path("out/01_x2.png").read_bytes()
    assert batch("-q") == 3
    assert "out/01_x2.png: exists" in capsys.readouterr().err
    assert Path("out/01_x2.png").read_bytes() == other
    assert batch("--resume", "--skip-existing", "--json") == 0
    files, _ = records(capsys.readouterr().out)
    assert {record["skipped"] for record in files} >= {"done earlier"} and len(files) == 3
    assert Path("out/01_x2.png").read_bytes() == other
    assert batch("-q", "--overwrite") == 0
    assert results("out") == upscaled("in", *TINY)


def interrupt_at_the_first_result(monkeypatch) -> None:
    report = batch_run.report

    def report_and_interrupt(*arguments):
        monkeypatch.setattr(batch_run, "report", report)
        report(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(batch_run, "report", report_and_interrupt)


@pytest.mark.skipif(not _native.has_fast_int8(), reason="this processor has no int8 instructions")
def test_a_resumed_batch_keeps_its_precision_whatever_is_measured_then(monkeypatch, capsys):
    precisions = []
    for number, gain in enumerate((8.0, 1.0)):
        save(f"in/{number}.png")
        monkeypatch.setattr(batch_run, "gains", lambda gain=gain: {"bf16": 0.0, "int8": gain})
        assert main(["batch", "in", "-o", "out", "-j", "1", "--json", "--resume"]) == 0
        precisions += [record.get("precision") for record in records(capsys.readouterr().out)[0]]
    assert precisions == ["int8", None, "int8"]


def test_an_interrupted_batch_is_resumed(monkeypatch, capsys):
    folder_of(12)
    interrupt_at_the_first_result(monkeypatch)
    start = time.monotonic()
    assert batch(threads=1) == 143
    assert time.monotonic() - start < 30
    assert "interrupted; the same command with --resume upscales the rest" in capsys.readouterr().err
    done = states("out")
    assert 0 < len(done) < 12 and not list(Path("out").glob(".*"))
    assert batch("-q", "--resume", threads=1) == 0
    assert all(states("out")[name] == state for name, state in done.items()), "not done again"
    assert results("out") == upscaled("in", *TINY)


def test_a_killed_batch_is_resumed():
    folder_of(12)
    command = [sys.executable, "-m", "sparsesr.cli", "batch", "in", "-o", "out", "--json", "-j", "2", *TINY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        process.kill()
        process.communicate()  # workers have the same streams, so this also waits for their end
    done = states("out")
    assert 0 < len(done) <= 12
    assert batch("-q", "--resume") == 0
    assert all(states("out")[name] == state for name, state in done.items()), "not done again"
    assert results("out") == upscaled("in", *TINY)
    assert not list(Path("out").glob(".*"))


@pytest.fixture
def deadly(monkeypatch):
    monkeypatch.setattr(local_fleet, "_MODULE", "cluster.deadly_worker")


def test_files_of_killed_workers_are_done_again(deadly, capsys):
    folder_of(8)
    shutil.copy("in/03.png", "in/once.png")
    shutil.copy("in/04.png", "in/late.png")
    assert batch("--json") == 0
    assert Path("in/once.death").exists() and Path("in/late.death").exists()
    files, summary = records(capsys.readouterr().out)
    assert summary["done"] == 10 and len({record["input"] for record in files}) == len(files) == 10
    assert results("out") == upscaled("in", *TINY)
    assert not list(Path("out").glob(".*"))


def test_a_file_that_kills_its_workers_fails_by_name_and_stops_nothing(deadly, capsys):
    folder_of(5)
    save("in/deadly.png")
    assert batch("--json") == 3
    files, summary = records(capsys.readouterr().out)
    (failed,) = [record for record in files if "error" in record]
    assert failed["input"] == "in/deadly.png" and "3 workers died of it" in failed["error"]["message"]
    assert (summary["done"], summary["failed"]) == (5, 1)
    lines = [json.loads(line) for line in (Path("out") / NAME).read_text().splitlines()]
    assert [line["input"] for line in lines if line.get("state") == "failed"] == ["in/deadly.png"]


def test_an_image_too_large_for_a_share_of_the_memory_is_done_alone(monkeypatch, capsys):
    folder_of(2)
    save("in/large.png", 700, 700)
    share = 135_000_000
    monkeypatch.setattr(layout, "_LEAST_SHARE_BYTES", 1)
    monkeypatch.setattr(batch_run, "free_bytes", lambda: 2 * 2 * share)
    assert main(["upscale", "in/large.png", "-o", "small.png", "--json", "--memory", "135MB", *TINY]) == 0
    assert json.loads(capsys.readouterr().out)["mode"] == "tiles"
    assert batch("--json") == 0
    files, _ = records(capsys.readouterr().out)
    assert [record["mode"] for record in files] == ["whole"] * 3
    assert files[-1]["input"] == "in/large.png"
    assert results("out") == upscaled("in", *TINY)


def test_with_a_limit_given_a_large_image_is_cut_as_upscale_does(capsys):
    save("in/large.png", 700, 700)
    save("in/a.png")
    assert batch("--json", "--memory", "135MB") == 0
    files, _ = records(capsys.readouterr().out)
    assert {record["input"]: record["mode"] for record in files} == {
        "in/a.png": "whole",
        "in/large.png": "tiles",
    }
    assert results("out") == upscaled("in", "--memory", "135MB", *TINY)


def test_a_memory_too_small_for_any_worker_is_one_error_for_each_file(capsys):
    folder_of(2)
    assert batch("-q", "--memory", "2MB") == 4
    assert capsys.readouterr().err.count("error: in/0") == 2
    assert not results("out")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["in"], 2, "-o is missing"),
        (["-o", "out"], 2, "nothing to upscale"),
        (["x*.png", "-o", "out"], 3, "no file matches the pattern"),
        (["in", "-o", "in/00.png"], 3, "in/00.png: cannot be created"),
        (["in", "-o", "out", "--overwrite", "--skip-existing"], 2, "exclude each other"),
        (["in", "-o", "out", "-n", "absent"], 3, "no model is named"),
        (["in", "-o", "out", "--scale", "0.5"], 2, "must be 1 to 64"),
        (["in", "-o", "out", "-j", "0"], 2, "-j 0 must be at least 1"),
        (["in", "-o", "out", "--memory", "much"], 2, "is not an amount of memory"),
        (["in", "-o", "out", "--quality", "101"], 2, "quality"),
    ],
)
def test_wrong_calls_are_one_line_and_leave_nothing(arguments, status, words, capsys):
    folder_of(1)
    before = results(".")
    assert main(["batch", *arguments]) == status
    printed = capsys.readouterr()
    assert printed.out == "" and words in printed.err and printed.err.count("\n") == 1
    assert results(".") == before and not Path("out").exists()


def test_an_output_folder_that_cannot_be_written_is_one_error(capsys):
    folder_of(2)
    (Path("out") / NAME).mkdir(parents=True)
    assert batch("--resume") == 3
    assert NAME in capsys.readouterr().err and not results("out")


def test_without_ray_an_address_is_refused(monkeypatch, capsys):
    folder_of(1)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert batch("--address", "auto") == 1
    assert capsys.readouterr().err == 'error: --address: needs the extra [ray]: pip install "sparsesr[ray]"\n'
