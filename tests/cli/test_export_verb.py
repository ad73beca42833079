"""``sparsesr models export``: files that onnxruntime runs, and every refusal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphs
from runtime.random_graphs import tokens
from sparsesr import extras
from sparsesr.cli.main import main
from sparsesr.interchange import onnx_rules
from sparsesr.measure import onnx_check
from sparsesr.modelfile.catalogue import install_model
from sparsesr.runtime.session import Session
from support.onnx_runs import opened, run_onnx
from support.tiny_models import photo, tiny


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    install_model(tiny(), "tiny")
    install_model(graphs.multi_scale(), "several")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def export(*arguments: str) -> int:
    return main(["models", "export", *arguments])


def run(path: str, image: np.ndarray) -> np.ndarray:
    return run_onnx(opened(path), image)


@pytest.mark.parametrize("masks", ["keep", "drop"])
def test_a_file_for_any_size(masks, capsys):
    assert export("tiny", "--masks", masks) == 0
    out, err = capsys.readouterr()
    assert (
        out.startswith("tiny_x2.onnx: x2, any size, with")
        and "differs from our own run by" in out
        and err == ""
    )
    image = photo(21, 34, dtype="float32")
    expected = Session(tiny(), 1).run(image, dense=masks == "drop").image
    np.testing.assert_allclose(run("tiny_x2.onnx", image), expected, atol=1e-4)


def test_a_fixed_size_and_json(folder, capsys):
    assert export("tiny", "--format", "onnx", "--static", "24x16", "-o", "a.onnx", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["width"], record["height"], record["masks"]) == (24, 16, "keep")
    assert record["bytes"] == Path("a.onnx").stat().st_size and record["largest_difference"] < 1e-4
    assert record["notes"] == [
        "the network looks at the whole image, so that tiles change the result slightly"
    ]
    assert run("a.onnx", photo(16, 24, dtype="float32")).shape == (32, 48, 3)
    assert export("tiny", "--static", "32") == 0
    assert [path.name for path in sorted(folder.iterdir())] == ["a.onnx", "tiny_x2_32.onnx"]


def test_a_scale_of_several():
    assert export("several", "-s", "3") == 0
    assert run("several_x3.onnx", photo(9, 8, dtype="float32")).shape == (27, 24, 3)


def test_attention_between_pixels_is_noted(capsys):
    install_model(tokens(), "tokens")
    assert export("tokens", "--static", "30") == 0
    out, err = capsys.readouterr()
    assert "not compared" in out and "memory grows with the square" in err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("nothing",), 3, "no model is named 'nothing'"),
        (("tiny", "--format", "torch"), 2, "--format 'torch' is unknown; use onnx"),
        (("tiny", "--masks", "some"), 2, "--masks 'some' is unknown; use keep or drop"),
        (("tiny", "--static", "big"), 2, "--static 'big' is not a size"),
        (("tiny", "--static", "0"), 2, "is not a size"),
        (("tiny", "-s", "3"), 2, "-s 3: tiny upscales x2"),
        (("tiny", "-o", "a.pb"), 2, "ONNX files end in .onnx"),
        (("tiny", "-o", "no/a.onnx"), 3, "the folder does not exist"),
        (("tiny", "-o", "there.onnx"), 3, "there.onnx: exists; pass --overwrite or another -o"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(arguments, status, words, folder, capsys):
    Path("there.onnx").write_bytes(b"old")
    assert export(*arguments) == status
    error = capsys.readouterr().err
    assert words in error and error.startswith("error: ") and error.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["there.onnx"]
    assert Path("there.onnx").read_bytes() == b"old"


def test_overwrite_replaces():
    Path("tiny_x2.onnx").write_bytes(b"old")
    assert export("tiny", "--overwrite") == 0
    assert Path("tiny_x2.onnx").stat().st_size > 1000


def test_without_onnx_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr(extras, "is_installed", lambda name: name != "onnx")
    assert export("tiny") == 1
    assert (
        capsys.readouterr().err
        == 'error: models export: needs the extra [onnx]: pip install "sparsesr[onnx]"\n'
    )


def test_without_onnxruntime_nothing_is_compared(monkeypatch, capsys):
    monkeypatch.setattr(onnx_check, "is_installed", lambda name: False)
    assert export("tiny") == 0
    assert capsys.readouterr().out.endswith("not compared with our own run\n")


def test_a_wrong_conversion_is_noticed(monkeypatch, folder, capsys):
    def swapped(build, entry):
        feature, _, *residual = entry.node.inputs
        build.add("Add", [feature, *residual], entry.node.output)

    monkeypatch.setitem(onnx_rules.RULES, "scale_add", swapped)
    assert export("tiny") == 3
    assert "differs from our own run by" in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_no_torch_is_imported():
    code = (
        "import sys; from sparsesr.cli.main import main;"
        "status = main(['models', 'export', 'tiny']);"
        "sys.exit(status or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
