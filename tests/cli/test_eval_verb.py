"""``sparsesr eval --precision``; what else eval does is tested in tests/lab, beside torch."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from processors import needs_bf16
from runtime.random_graphs import only_bicubic
from sparsesr import _native
from sparsesr.cli.main import main
from sparsesr.modelfile.catalogue import install_model
from support.tiny_models import photo, tiny


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Two models and a set of one picture."""
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name, modules in (("tiny", 2), ("other", 3)):
        install_model(tiny(modules=modules), name)
    install_model(only_bicubic(), "no_layers")
    (tmp_path / "A" / "HR").mkdir(parents=True)
    Image.fromarray(photo(40, 52)).save("A/HR/one.png")
    return tmp_path


def measured(capsys, *arguments: str, status: int = 0) -> tuple[list[dict], str]:
    """What `eval --json` says, and what stands on stderr."""
    assert main(["eval", "--data", ".", "-j", "1", "--json", *arguments]) == status
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err


@needs_bf16
def test_it_measures_in_the_precision_that_it_says(capsys):
    (exact,), _ = measured(capsys, "-n", "tiny")
    (short,), _ = measured(capsys, "-n", "tiny", "--precision", "bf16")
    assert (exact["precision"], short["precision"]) == ("fp32", "bf16")
    assert exact["mean"]["psnr_y"] != short["mean"]["psnr_y"]
    assert exact["mean"]["psnr_y"] == pytest.approx(short["mean"]["psnr_y"], abs=0.5)


@needs_bf16
def test_every_row_of_a_table_says_its_precision(capsys):
    names = ["-n", "tiny", "-n", "no_layers", "-n", "other"]
    files = ["table.md", "table.csv", "table.json"]
    written = [argument for file in files for argument in ("-o", file)]
    assert main(["eval", "--data", ".", *names, "--precision", "auto", *written]) == 0
    assert capsys.readouterr().out.split()[:3] == ["set", "model", "precision"]
    assert main(["eval", "--data", ".", "-n", "tiny", "--precision", "bf16", "-n", "other", *written,
                 "--overwrite"]) == 0  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:3] for line in lines[1:]] == [["tiny", "bf16"], ["other", "bf16"]]
    rows = [line.split("|")[2:4] for line in Path("table.md").read_text().splitlines()[2:]]
    assert [[cell.strip() for cell in row] for row in rows] == [["tiny", "bf16"], ["other", "bf16"]]
    with Path("table.csv").open() as file:
        assert [row["precision"] for row in csv.DictReader(file)] == ["bf16", "bf16"]
    assert [row["precision"] for row in json.loads(Path("table.json").read_text())] == ["bf16", "bf16"]


def test_the_precision_stands_above_the_pictures(capsys):
    assert main(["eval", "--data", ".", "-n", "tiny", "-j", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "A, tiny x2, native fp32, whole"


@needs_bf16
def test_a_network_without_bf16_layers_is_refused(capsys):
    """But not `auto`, which says what it became."""
    _, err = measured(capsys, "-n", "no_layers", "--precision", "bf16", status=2)
    assert err == "error: no_layers has no layer that can run in bf16; use --precision fp32 or auto\n"
    (record,), err = measured(capsys, "-n", "no_layers", "--precision", "auto")
    assert record["precision"] == "fp32"
    assert err == "note: no_layers is measured in fp32: the network has no layer that can run in bf16\n"


def test_without_the_instructions_it_measures_fp32_and_says_so(capsys, monkeypatch):
    monkeypatch.setattr(_native, "has_fast_bf16", lambda: False)
    (record,), err = measured(capsys, "-n", "tiny", "--precision", "bf16")
    assert record["precision"] == "fp32"
    assert err == "note: tiny is measured in fp32: this processor has no bf16 instructions\n"


@pytest.mark.parametrize("wanted", ["fp16", "BF16", ""])
def test_unknown_precisions_are_refused(capsys, wanted):
    _, err = measured(capsys, "-n", "tiny", "--precision", wanted, status=2)
    assert err == f"error: --precision {wanted!r} is unknown; use auto, fp32 or bf16\n"
