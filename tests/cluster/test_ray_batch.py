"""``sparsesr batch`` on a real Ray cluster of two nodes, of which one is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.images import folder_of, results, save, upscaled
from cluster.ray_nodes import RayNodes
from sparsesr.modelfile.catalogue import install_model
from support.tiny_models import tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray"),
]
TINY = ("-n", "tiny", "--precision", "fp32")
WAIT_S = 300
FILES = 24


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    cluster = RayNodes()
    try:
        cluster.add()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    install_model(tiny(), "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Batch:
    """A batch in a process of its own."""

    def __init__(self, nodes: RayNodes, *arguments: str) -> None:
        command = [sys.executable, "-m", "sparsesr.cli", "batch", "in", "-o", "out", "--json", *TINY]
        environment = {**nodes.environment, "SPARSESR_HOME": os.environ["SPARSESR_HOME"]}
        self.process = subprocess.Popen(
            [*command, "--address", nodes.address, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,  # communicate() does not know lines that readline() has buffered
        )
        self.records: list[dict] = []

    def read(self, count: int) -> None:
        """Wait for so many records."""
        assert self.process.stdout is not None
        while len(self.records) < count:
            line = self.process.stdout.readline()
            assert line, self.process.stderr and self.process.stderr.read()
            self.records.append(json.loads(line))

    def end(self) -> tuple[int, dict, str]:
        """The exit status, the summary, and what was printed for people."""
        out, err = self.process.communicate(timeout=WAIT_S)
        self.records += [json.loads(line) for line in out.splitlines()]
        return self.process.returncode, self.records.pop()["summary"], err.decode()


def large_files() -> None:
    for number in range(FILES):
        save(f"in/{number:02d}.png", 420, 400, seed=number)


def test_results_are_those_of_one_machine(nodes):
    folder_of(5)
    Path("in/bad.png").write_bytes(b"rubbish")
    batch = Batch(nodes)
    status, summary, err = batch.end()
    assert (status, summary["done"], summary["failed"]) == (3, 5, 1), err
    assert err.splitlines() == [line for line in err.splitlines() if line.startswith(("error: ", "note: "))]
    assert results("out") == upscaled("in", *TINY)
    assert {Path(record["input"]).name for record in batch.records} == {
        path.name for path in Path("in").iterdir()
    }
    assert not list(Path("out").glob(".*")), "neither the probe nor anything else is left"


def test_an_interrupted_batch_is_resumed(nodes):
    large_files()
    batch = Batch(nodes)
    batch.read(1)
    start = time.monotonic()
    batch.process.send_signal(signal.SIGTERM)
    status, summary, err = batch.end()
    assert status == 143 and summary["interrupted"], err
    assert time.monotonic() - start < 60
    done = results("out")
    assert 0 < len(done) < FILES and not list(Path("out").glob(".*"))
    status, summary, err = Batch(nodes, "--resume").end()
    assert (status, summary["skipped"], summary["done"]) == (0, len(done), FILES - len(done)), err
    assert results("out") == upscaled("in", *TINY)


def test_a_killed_worker_and_a_killed_node_lose_nothing(nodes):
    """The last test: it leaves one node."""
    large_files()
    batch = Batch(nodes)
    batch.read(2)
    os.kill(nodes.workers()[0], signal.SIGKILL)
    batch.read(6)
    nodes.kill(1)
    status, summary, err = batch.end()
    assert (status, summary["done"], summary["failed"]) == (0, FILES, 0), err
    inputs = [record["input"] for record in batch.records]
    assert len(inputs) == len(set(inputs)) == FILES
    assert results("out") == upscaled("in", *TINY)
    assert not list(Path("out").glob(".*"))
