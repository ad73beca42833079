"""The measuring verbs work where neither torch nor the lab can be imported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from PIL import Image

from runtime.random_graphs import only_bicubic
from sparsesr.modelfile.reader import read_model
from sparsesr.modelfile.writer import write_model
from support.tiny_models import photo, tiny

_CHILD = """
import sys
sys.modules.update({"torch": None, "sparsesr.lab": None})
from sparsesr.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for seed in (1, 2):
        Image.fromarray(photo(48, 60, seed=seed)).save(f"photos/{seed}.png")
    return tmp_path


def run(*arguments: str) -> str:
    command = [sys.executable, "-c", _CHILD, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("model", ["smsr_s_x2", "bicubic"])
def test_eval(model):
    record = json.loads(run("eval", "--data", "photos", "-n", model, "-j", "1", "--json"))
    assert (record["model"], record["set"], len(record["images"])) == (model, "photos", 2)
    assert record["mean"]["psnr_y"] > 20


def test_eval_compares_models():
    table = run("eval", "--data", "photos", "-n", "smsr_s_x2", "-n", "bicubic", "-o", "table.svg")
    assert [line.split()[1] for line in table.splitlines()] == ["model", "smsr_s_x2", "bicubic"]


@pytest.mark.parametrize(("model", "records"), [(tiny(), 1), (only_bicubic(), 0)], ids=["masks", "bicubic"])
def test_measuring_the_cost_of_bf16(model, records):
    write_model("mine.safetensors", model.facts, model.graph, model.tensors)
    output = run("models", "measure", "mine.safetensors", "--data", "photos", "-j", "1", "--json")
    assert len(output.splitlines()) == len(read_model("mine.safetensors").facts.bf16_costs) == records


def test_bench_and_mask():
    write_model("mine.safetensors", tiny().facts, tiny().graph, tiny().tensors)
    model = ["-n", "mine.safetensors", "-j", "1"]
    assert json.loads(run("bench", "photos/1.png", *model, "--repeats", "1", "--json"))["rounds"] == 1
    assert len(json.loads(run("mask", "photos/1.png", *model, "--json"))["modules"]) == 2
