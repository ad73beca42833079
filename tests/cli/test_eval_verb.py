"""``sparsesr eval``; checkpoints and ``--form torch`` are tested in tests/lab."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from image_sets import write_two_sets
from processors import needs_bf16
from runtime.random_graphs import only_bicubic, tokens
from sparsesr import _native
from sparsesr.cli import evaluate as cli
from sparsesr.cli.main import main
from sparsesr.errors import InputError, UsageError
from sparsesr.image.metrics import psnr_y
from sparsesr.image.resize import imresize
from sparsesr.measure.native import open_method
from sparsesr.measure.protocol import find_sets, load_pair
from sparsesr.measure.quality import evaluate
from sparsesr.modelfile.catalogue import install_model
from sparsesr.modelfile.writer import write_model
from support.tiny_models import photo, tiny


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Three models and a set of one image."""
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name, modules in (("tiny", 2), ("other", 3)):
        install_model(tiny(modules=modules), name)
    install_model(only_bicubic(), "no_layers")
    (tmp_path / "A" / "HR").mkdir(parents=True)
    Image.fromarray(photo(40, 52)).save("A/HR/one.png")
    return tmp_path


def measured(capsys, *arguments: str, status: int = 0) -> tuple[list[dict], str]:
    """Run `eval --json`; return its records and stderr."""
    assert main(["eval", "--data", ".", "-j", "1", "--json", *arguments]) == status
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err


@pytest.mark.parametrize(("side", "why"), [(1, "too small to be measured at x2"), (14, "cannot be measured")])
def test_a_small_image_is_named_with_advice(capsys, side, why):
    Image.fromarray(photo(side, side)).save("A/HR/small.png")
    assert main(["eval", "--data", ".", "-n", "tiny", "-j", "1"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("error: A/HR/small.png: ") and why in err and err.count("\n") == 1
    assert err.endswith("; leave it out of the set\n")


@needs_bf16
def test_the_reported_precision_is_the_measured_one(capsys):
    (exact,), _ = measured(capsys, "-n", "tiny")
    (short,), _ = measured(capsys, "-n", "tiny", "--precision", "bf16")
    assert (exact["precision"], short["precision"]) == ("fp32", "bf16")
    assert exact["mean"]["psnr_y"] != short["mean"]["psnr_y"]
    assert exact["mean"]["psnr_y"] == pytest.approx(short["mean"]["psnr_y"], abs=0.5)


@needs_bf16
def test_every_row_of_a_table_states_its_precision(capsys):
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


def test_the_heading_states_the_precision(capsys):
    assert main(["eval", "--data", ".", "-n", "tiny", "-j", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "A, tiny x2, native fp32, whole"


@needs_bf16
def test_a_network_without_bf16_layers_is_refused(capsys):
    """Except with `auto`, which reports the precision used."""
    _, err = measured(capsys, "-n", "no_layers", "--precision", "bf16", status=2)
    assert err == "error: no_layers has no layer that can run in bf16; use --precision fp32 or auto\n"
    (record,), err = measured(capsys, "-n", "no_layers", "--precision", "auto")
    assert record["precision"] == "fp32"
    assert err.startswith(
        "note: no_layers is measured in fp32: the network has no layer that can run in bf16"
    )


def test_without_bf16_instructions_fp32_is_measured_and_reported(capsys, monkeypatch):
    monkeypatch.setattr(_native, "has_fast_bf16", lambda: False)
    (record,), err = measured(capsys, "-n", "tiny", "--precision", "bf16")
    assert record["precision"] == "fp32"
    assert err == "note: tiny is measured in fp32: this processor has no bf16 instructions\n"


@pytest.mark.parametrize("wanted", ["fp16", "BF16", ""])
def test_unknown_precisions_are_refused(capsys, wanted):
    _, err = measured(capsys, "-n", "tiny", "--precision", wanted, status=2)
    assert err == f"error: --precision {wanted!r} is unknown; use auto, fp32, bf16 or int8\n"


@pytest.fixture
def data(tmp_path):
    return write_two_sets(tmp_path / "data")


def call(data, models, **options):
    return cli.run(data, [models] if isinstance(models, str) else models, threads=1, **options)


def test_command(data, capsys):
    assert call(data, "tiny", sets=["B"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["B,", "image", "three", "two", "mean"]
    assert call(data, "tiny", as_json=True) == 0
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [result["set"] for result in results] == ["A", "B"]
    assert results[0]["images"][0].keys() >= {"name", "psnr_y", "ssim_y", "density", "macs", "seconds"}


def test_command_refuses(data):
    with pytest.raises(UsageError, match="not x3"):
        call(data, "tiny", scale=3)
    with pytest.raises(UsageError, match="native or torch"):
        call(data, "tiny", form="onnx")


def test_the_inference_mode_is_resolved_and_reported(data, tmp_path, capsys):
    model, path = tokens(), tmp_path / "tokens.safetensors"
    write_model(path, model.facts, model.graph, model.tensors)
    for asked, named in (("auto", "chopped"), ("whole", "whole"), ("chopped", "chopped")):
        assert call(data, str(path), sets=["A"], inference=asked, as_json=True) == 0
        assert json.loads(capsys.readouterr().out)["inference"] == named
    with pytest.raises(UsageError, match="--inference 'half' is unknown"):
        call(data, str(path), inference="half")


@pytest.mark.parametrize("scale", [2, 3])
def test_bicubic_as_a_baseline(data, scale, capsys):
    assert call(data, "bicubic", sets=["A"], scale=scale, as_json=True) == 0
    record = json.loads(capsys.readouterr().out)
    pair = load_pair(find_sets(data, scale, ["A"])[0].images[0], scale)
    assert record["images"][0]["psnr_y"] == pytest.approx(psnr_y(imresize(pair.lr, scale), pair.hr, scale))
    assert (record["model"], record["scale"], record["mean"]["macs"]) == ("bicubic", scale, 0)
    assert call(data, "bicubic", sets=["A"], scale=scale, as_json=True, noise_sigma=25.0) == 0
    assert json.loads(capsys.readouterr().out)["mean"]["psnr_y"] < record["mean"]["psnr_y"]


def test_models_are_compared_in_one_table(data, tmp_path, capsys):
    files = [tmp_path / f"table{suffix}" for suffix in (".md", ".csv", ".json", ".svg")]
    assert call(data, ["tiny", "other"], outputs=files) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["set", "model", "precision", "PSNR-Y", "SSIM-Y", "density", "GMAC", "seconds"]
    assert [tuple(line.split()[:2]) for line in lines[1:]] == [
        ("A", "tiny"), ("A", "other"), ("B", "tiny"), ("B", "other"),
    ]  # fmt: skip
    records = json.loads(files[2].read_text())
    expected = evaluate(open_method("other", 1), find_sets(data, 2, ["B"])[0])
    assert records[3]["psnr_y"] == expected.mean("psnr_y") and records[3]["macs"] == expected.mean("macs")
    with files[1].open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["psnr_y"]) for row in table] == [record["psnr_y"] for record in records]
    rows = [line.split("|")[1:-1] for line in files[0].read_text().splitlines()]
    assert len(rows) == 6 and {len(row) for row in rows} == {8}
    assert rows[5][3].strip() == f"{records[3]['psnr_y']:.3f}"


def test_output_files_are_checked_before_any_work(data, tmp_path):
    with pytest.raises(UsageError, match=r"\.md, \.csv"):
        call(data, "tiny", outputs=[tmp_path / "table.png"])
    (tmp_path / "table.md").write_text("mine")
    with pytest.raises(InputError, match="--overwrite"):
        call(data, "tiny", outputs=[tmp_path / "table.md"])
    with pytest.raises(InputError, match="does not exist"):
        call(data, "tiny", outputs=[tmp_path / "none/table.md"])
