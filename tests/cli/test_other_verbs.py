from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import FunctionType

import pytest
import pyvips
from PIL import Image

from sparsesr import __version__, _native
from sparsesr.cli.main import main
from sparsesr.cli.verbs import VERBS
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.catalogue import install_model
from sparsesr.modelfile.writer import write_model
from sparsesr.runtime import precision
from support.tiny_models import photo, size_of, tiny


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    install_model(tiny(), "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sparsesr {__version__}\n"
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(verb.name in text for verb in VERBS)
    assert main([]) == 2
    assert main(["models", "--help"]) == 0
    assert "verify" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["upscale", "mask", "doctor"])
def test_each_verb_has_help(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from sparsesr.cli.main import main; main(['--help']); main(['--version']);"
        "sys.exit(bool({'numpy', 'pyvips', 'rich', 'typer', 'torch'} & set(sys.modules)))"
    )
    source = str(Path(__file__).parents[2] / "src")
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r}); {code}"], check=False
    )
    assert run.returncode == 0


def test_unknown_commands(capsys):
    assert main(["upscal"]) == 2
    assert "did you mean `sparsesr upscale`" in capsys.readouterr().err
    assert main(["models", "zzz"]) == 2
    assert "sparsesr models --help" in capsys.readouterr().err


def test_missing_torch_names_the_extra(monkeypatch, capsys):
    def import_module(name):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("importlib.import_module", import_module)
    assert main(["export", "x"]) == 1
    assert (
        capsys.readouterr().err == 'error: export: needs the extra [train]: pip install "sparsesr[train]"\n'
    )


def test_models(home, capsys):
    assert main(["models", "list"]) == 0
    assert ["tiny", "x2", "user"] in [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert main(["models", "list", "--json"]) == 0
    assert "tiny" in [row["name"] for row in json.loads(capsys.readouterr().out)["models"]]
    assert main(["models", "show", "tiny"]) == 0
    assert "architecture: smsr" in capsys.readouterr().out
    assert main(["models", "show", "tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sees_whole_image"] is True
    assert main(["models", "verify"]) == 0
    (home / "models" / "broken.safetensors").write_bytes(b"\0" * 64)
    assert main(["models", "list"]) == 0
    assert "damaged" in capsys.readouterr().out
    assert main(["models", "verify", "--json"]) == 3
    assert main(["models", "show", "nope"]) == 3


def test_models_show_has_tables_of_gains_in_brief(home, capsys):
    assert main(["models", "show", "skim_fast_x2"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("gain tables:")]
    assert line.startswith("gain tables: scale 2, efforts ") and len(line) < 120


def test_models_show_prints_no_control_characters(tmp_path, capsys):
    model = tiny()
    training = {"set\x1b[2J": "a\x1b]0;title\x07b\nfake: 1", "runs": ["\x9b31m", {"seed\r": "\u202e1"}]}
    facts = replace(model.facts, training=training, description="one\ntwo")
    path = tmp_path / "a.safetensors"
    write_model(path, facts, model.graph, model.tensors)
    assert main(["models", "show", str(path)]) == 0
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.split("\n"))
    assert "description: one two" in out and "fake: 1" not in out.split("\n")
    assert main(["models", "show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training"] == training


def test_doctor(home, capsys):
    main(["doctor"])
    out = capsys.readouterr().out
    assert "instructions" in out
    assert "--precision" in out, "the effect of bf16 on this processor"
    main(["doctor", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["native"]["kernels"]["conv"]
    assert facts["variables"]["SPARSESR_HOME"] == str(home)
    (home / "models" / "broken.safetensors").write_bytes(b"\0" * 64)
    assert main(["doctor"]) == 1
    assert "error: model broken" in capsys.readouterr().err


def test_doctor_keeps_the_secret_of_the_server(monkeypatch, capsys):
    monkeypatch.setenv("SPARSESR_TOKEN", "sesame, open")
    main(["doctor"])
    plain = capsys.readouterr().out
    main(["doctor", "--json"])
    as_json = capsys.readouterr().out
    assert "sesame" not in plain + as_json and "variable      SPARSESR_TOKEN=set" in plain
    assert '"SPARSESR_TOKEN": "set"' in as_json


def test_doctor_goes_on_where_memory_is_short(monkeypatch, capsys):
    def short(*_):
        raise MemoryError

    monkeypatch.setattr(catalogue, "list_models", short)
    assert main(["doctor"]) == 1
    printed = capsys.readouterr()
    assert "error: models: not enough memory; free some memory, or raise the limit of this pr" in printed.err
    assert "instructions" in printed.out and "libvips" in printed.out


def failing_in(module: str, error: Exception):
    """A function of a module that raises."""

    def fail(*_):
        raise error

    return FunctionType(fail.__code__, {"__name__": module}, closure=fail.__closure__)


def test_a_libvips_that_does_not_load_is_no_internal_error(monkeypatch, capsys):
    words = "libvips does not load (cannot load library 'libvips.so.42'); pip install pyvips-binary, or raise"
    failing = failing_in("pyvips", OSError("cannot load library 'libvips.so.42'"))
    monkeypatch.setattr(pyvips, "version", failing)
    assert main(["doctor"]) == 1
    assert f"error: {words}" in capsys.readouterr().err
    monkeypatch.setattr("sparsesr.cli.main._dispatch", failing)
    assert main(["upscale", "a.png"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {words}")


def test_short_memory_is_no_internal_error(monkeypatch, capsys):
    monkeypatch.setattr("sparsesr.cli.main._dispatch", failing_in("numpy", MemoryError()))
    assert main(["upscale", "a.png"]) == 4
    assert capsys.readouterr().err.startswith(
        "error: not enough memory; free some memory, or raise the limit"
    )


@pytest.mark.parametrize(
    ("gain", "says"),
    [
        (None, "not supported by this processor; --precision bf16 and auto run in fp32"),
        (0.5, "multiplies 0.5 times as fast as fp32; --precision auto does not take it"),
        (2.0, "--precision auto takes it for models that lose at most {} dB, unless another is faster"),
    ],
)
@pytest.mark.parametrize(("name", "limit"), [("bf16", "0.01"), ("int8", "0.03")])
def test_doctor_reports_the_effect_of_auto(monkeypatch, capsys, name, limit, gain, says):
    for each in ("bf16", "int8"):
        monkeypatch.setattr(_native, f"has_fast_{each}", lambda: gain is not None)
    monkeypatch.setattr(precision, "gain", lambda _: gain)
    main(["doctor"])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{name} "))
    assert line.endswith(says.replace("bf16", name).format(limit))


def test_mask_shows_the_model_that_upscales_the_file(capsys):
    for quality, model in ((50, "photo_x2"), (98, "skim_fast_x2")):
        Image.fromarray(photo(30, 40)).save("a.jpg", quality=quality)
        assert main(["mask", "a.jpg", "-j", "1", "--overwrite", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["model"] == model


def test_mask(capsys):
    Image.fromarray(photo(30, 40)).save("a.png")
    assert main(["mask", "a.png", "-n", "tiny", "-j", "1"]) == 0
    out = capsys.readouterr().out
    assert "module 2" in out and "whole network" in out
    assert size_of("a_mask.png")[0] > 400
    assert main(["mask", "a.png", "-n", "tiny"]) == 3
    assert main(["mask", "a.png", "-n", "tiny", "--overwrite", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["modules"]) == 2
    assert main(["mask", "a.png", "-n", "tiny", "-o", "a.png"]) == 2
    assert main(["mask", "a.png", "-n", "tiny", "-o", ""]) == 3
    assert "the output has no name" in capsys.readouterr().err


def test_mask_names_files_as_upscale_does(capsys):
    Image.fromarray(photo(30, 40)).save("a.png")
    os.rename(b"a.png", b"caf\xe9.png")  # noqa: PTH104
    assert main(["mask", os.fsdecode(b"caf\xe9.png"), "-n", "tiny", "-o", "new/", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert bytes.fromhex(record["input_bytes"]) == b"caf\xe9.png"
    assert bytes.fromhex(record["output_bytes"]) == b"new/caf\xe9_mask.png"
    assert size_of(Path(os.fsdecode(b"new/caf\xe9_mask.png")))[0] > 400
