from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from PIL import Image

from runtime.int8_models import with_int8
from sparsesr import _native
from sparsesr.cli.main import main
from sparsesr.engine.upscaler import Upscaler
from sparsesr.measure.bench_image import made_up_image
from sparsesr.modelfile.catalogue import install_model
from support.tiny_models import photo, tiny


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    install_model(tiny(), "tiny")
    Image.fromarray(photo(20, 24)).save("a.png")


def bench(*arguments: str) -> int:
    return main(["bench", "-n", "tiny", "-j", "1", "--repeats", "1", *arguments])


def test_json_has_the_figures(capsys):
    Image.fromarray(Upscaler(tiny())(photo(20, 24), effort=1).image).save("hr.png")
    assert bench("a.png", "--json", "--hr", "hr.png") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["dense_ms"] > 0 < record["sparse_ms"]
    assert record["peak_gflops"] > 0
    assert (record["input"], record["threads"], record["image"]) == ("24x20", 1, "a.png")
    assert record["peers"] == [] and record["fastest"] is None
    assert set(record["waits"]) == {"count", "ms", "one_thread_ms"}
    assert {"name", "dense_ms", "sparse_ms", "density", "gflops", "peak_share"} <= set(record["layers"][0])
    assert record["quality"]["dense"]["psnr_to_own_dense_db"] is None  # the same image
    assert record["quality"]["sparse"]["psnr_to_own_dense_db"] > 20
    assert record["quality"]["sparse"]["psnr_y_db"] > 20


@pytest.mark.parametrize(
    ("wanted", "reason"), [("fp32", "it was asked for"), ("auto", "this processor has no bf16 instructions")]
)
def test_json_states_the_reason_for_the_precision(wanted, reason, monkeypatch, capsys):
    monkeypatch.setattr(_native, "has_fast_bf16", lambda: False)
    assert bench("a.png", "--json", "--precision", wanted) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["precision"] == "fp32" and reason in record["precision_reason"]


def test_all_precisions_beside_each_other(capsys):
    entry = install_model(with_int8(tiny()), "tiny", overwrite=True)
    assert entry.name == "tiny"
    assert bench("a.png", "--json", "--precision", "all") == 0
    record = json.loads(capsys.readouterr().out)
    able = {"bf16": _native.has_fast_bf16(), "int8": _native.has_fast_int8()}
    assert [run["precision"] for run in record["precisions"]] == [name for name, has in able.items() if has]
    assert record["precision"] == "fp32"
    for run in record["precisions"]:
        assert run["ms"] > 0 and run["quality"]["psnr_to_own_dense_db"] > 20
    assert bench("a.png", "--precision", "all") == 0
    out = capsys.readouterr().out
    assert all((f"sparse {name}" in out) == has for name, has in able.items())
    assert bench("a.png", "--precision", "int4") == 2


def layer_rows(out: str) -> dict[str, list[str]]:
    """The rows of the table of layers: the words after each name."""
    table = out.split("of peak\n")[1].split("\n\n")[0]
    return {line[2:30].strip(): line[30:].split() for line in table.splitlines()}


def test_the_table_and_a_made_up_image(monkeypatch, capsys):
    monkeypatch.setattr("sparsesr.cli.bench._SHOWN_SHARE", 0)  # whatever the times are on this machine
    assert bench("--size", "20x12", "--effort", "0") == 0
    out = capsys.readouterr().out
    assert "tiny x2, 20x12 (made up), 1 thread(s), fp32" in out
    assert "of the multiply-adds skipped" in out
    rows = layer_rows(out)
    assert {"head.0", "body.0.layer0", "tail.0", "all others"} <= set(rows)
    assert len(rows["body.0.layer0"]) == 5 and rows["all others"] == ["0.00"]


def test_the_table_sums_up_layers_that_hardly_count(monkeypatch, capsys):
    monkeypatch.setattr("sparsesr.cli.bench._SHOWN_SHARE", 2)  # more than any layer takes
    assert bench("--size", "20x12") == 0
    rows = layer_rows(capsys.readouterr().out)
    assert set(rows) == {"all others"} and float(rows["all others"][0]) > 0


def test_made_up_images_are_deterministic_and_have_edges_and_flat_parts():
    image = made_up_image(120, 80)
    assert image.shape == (80, 120, 3)
    assert np.array_equal(image, made_up_image(120, 80))
    steps = np.abs(np.diff(image.astype(int), axis=1)).sum(axis=2)
    assert 0.3 < (steps == 0).mean() < 0.95
    assert (steps > 100).mean() > 0.02


@pytest.mark.parametrize("text", ["", "20", "0x5", "5x99999", "axb", "-3x4"])
def test_invalid_sizes(text, capsys):
    assert bench("--size", text) == 2
    assert f"--size {text!r} is not a size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "--size", "20x20"], "leave it out"),
        (["--hr", "a.png"], "name IMAGE too"),
        (["a.png", "--hr", "a.png"], "--hr is 24x20, but the upscaled image is 48x40"),
        (["--repeats", "0"], "--repeats 0"),
        (["--peers", "caffe"], "'caffe' is unknown"),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    assert bench(*arguments) == 2
    assert message in capsys.readouterr().err


def test_a_peer_that_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert bench("a.png", "--peers", "openvino") == 1
    assert "pip install openvino" in capsys.readouterr().err


def test_without_peers_no_torch_is_loaded(capsys):
    loaded = "torch" in sys.modules
    assert bench("a.png", "--json") == 0
    assert ("torch" in sys.modules) == loaded


def test_peers(capsys):
    torch = pytest.importorskip("torch")
    assert bench("a.png", "--peers", "torch", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    names = [peer["name"] for peer in record["peers"]]
    is_slow_in_bf16 = torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2")
    assert names == (["torch fp32"] if is_slow_in_bf16 else ["torch fp32", "torch bf16"])
    for peer in record["peers"]:
        assert peer["ms"] > 0
        assert peer["quality"]["psnr_to_own_dense_db"] > (90 if peer["precision"] == "fp32" else 35)
    assert "no mask heads" in record["peer_setup"]
    fastest = min(record["peers"], key=lambda peer: peer["ms"])
    assert record["fastest"] == {
        "sparse": "sparse",
        "peer": fastest["name"],
        "sparse_is_faster_by": pytest.approx(fastest["sparse_is_faster_by"]),
    }
    assert set(record["rounds_ms"]) == {"sparse", "dense", *names}
    assert bench("a.png", "--peers", "torch") == 0
    table = capsys.readouterr().out
    assert all(name in table for name in names)
