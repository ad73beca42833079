"""Several processes under torchrun: same numbers as one process, and a clean end when one dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from lab.training_runs import tiny_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
from pathlib import Path
from lab.training_runs import register, tiny_recipe
def mine():
    register()
    return tiny_recipe(Path(__file__).parent)
"""
PATIENCE_S = 60
LESSON = ("control=threshold", "lesson_fraction=0.1", "lesson_weight=10")


@pytest.fixture
def recipe_file(tmp_path):
    tiny_recipe(tmp_path)  # writes the images
    (tmp_path / "mine.py").write_text(RECIPE)
    return f"{tmp_path}/mine.py:mine"


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARSESR", "TORCH"))}
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")])
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def train_command(recipe, folder, *settings):
    sets = [part for setting in settings for part in ("--set", setting)]
    return ["-m", "sparsesr", "train", recipe, "-o", str(folder), "--device", "cpu", *sets]


def figures(folder, name):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


@pytest.mark.slow
@pytest.mark.parametrize(
    "control",
    [
        ("control=weight",),
        LESSON,
        (*LESSON, "straight_through=false", "freeze_fraction=0.1", "hard_fraction=0.1"),
    ],
    ids=["weight", "threshold", "taught only"],
)
def test_two_processes_give_the_losses_of_one_with_the_doubled_batch(recipe_file, tmp_path, control):
    # Masks start early and are under density pressure, so that noise and controller must agree too.
    settings = ("steps=40", "sparsity.dense_fraction=0.1", *(f"sparsity.{part}" for part in control))
    one = train_command(recipe_file, tmp_path / "one", *settings, "batch=4")
    two = train_command(recipe_file, tmp_path / "two", *settings, "batch=2")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for arguments in (one, [*launcher, *two]):
        run = subprocess.run(
            [sys.executable, *arguments],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert run.returncode == 0, run.stderr
    for name in ("l1", "density", "sparsity_weight", "psnr_y", "kept"):
        expected, found = figures(tmp_path / "one", name), figures(tmp_path / "two", name)
        assert len(expected) >= 2
        assert found == pytest.approx(expected, rel=2e-3), name
    assert len(figures(tmp_path / "two", "l1")) == 40  # one of the processes logs


@pytest.mark.slow
def test_the_others_end_when_a_process_dies(recipe_file, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, *train_command(recipe_file, tmp_path / "run", "steps=100000")]
    # without torchrun's own watchdog, as between machines
    workers = []
    messages = [(tmp_path / f"messages{rank}").open("w") for rank in range(2)]
    for rank in range(2):
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "x"}
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        workers.append(
            subprocess.Popen(
                command, env=environment(**where, **ranks, GROUP_RANK="0"), stderr=messages[rank]
            )
        )
    try:
        log = tmp_path / "run/log.jsonl"
        until = time.monotonic() + 240
        while not (log.exists() and log.stat().st_size) and time.monotonic() < until:
            time.sleep(0.1)
        assert log.exists(), "did not begin"
        workers[1].send_signal(signal.SIGKILL)
        workers[0].wait(timeout=PATIENCE_S)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            messages.pop().close()
    assert workers[0].returncode == 1
    last = (tmp_path / "messages0").read_text().strip().splitlines()[-1]
    assert last.startswith("error: another process of this run died") and "--resume" in last
