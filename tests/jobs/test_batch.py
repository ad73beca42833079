"""Batches as used by programs other than the command line."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, InputError, SparsesrError
from sparsesr.jobs.batch import upscale_files
from sparsesr.jobs.files import FileResult, WriteOptions
from sparsesr.jobs.inputs import expand
from sparsesr.jobs.pairing import pair
from sparsesr.jobs.record import failure_record, record_of
from support.tiny_models import photo, tiny


@pytest.fixture
def upscaler() -> Upscaler:
    return Upscaler(tiny(), threads=1)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    for name in "ac":
        Image.fromarray(photo(10, 12)).save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    return tmp_path


@contextmanager
def unwatched(source: Path):
    yield RunOptions()


def test_a_failing_file_does_not_stop_the_others(upscaler, folder):
    inputs = expand([str(folder / "in")], recursive=False)
    targets = pair(inputs, str(folder / "out"), upscaler.label, "jpg").targets
    outcomes = {
        source.name: outcome
        for source, _, outcome in upscale_files(upscaler, targets, WriteOptions(), unwatched)
    }
    assert isinstance(outcomes["b.png"], InputError)
    assert outcomes["b.png"].where == str(folder / "in" / "b.png")
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a_x2.jpg", "c_x2.jpg"]
    record = record_of(outcomes["a.png"], "a", "b")
    assert json.loads(json.dumps(record))["output_width"] == 24
    failure = failure_record(outcomes["b.png"], "b.png")["error"]
    assert failure["code"] == "input" and failure["message"] == str(outcomes["b.png"])


def test_cancelling_ends_the_batch(upscaler, folder):
    begun = []

    @contextmanager
    def cancelling(source: Path):
        begun.append(source.name)
        yield RunOptions(cancelled=lambda: True)

    targets = {folder / "in" / name: folder / f"{name}_out.png" for name in ("a.png", "c.png")}
    ((_, _, outcome),) = upscale_files(upscaler, targets, WriteOptions(), cancelling)
    assert isinstance(outcome, CancelledError) and begun == ["a.png"]
    assert not list(folder.glob("*_out.png"))


def test_an_unforeseen_error_is_an_outcome_with_its_cause(upscaler, folder, monkeypatch):
    broken = RuntimeError("broken")

    def fail(*_args):
        raise broken

    targets = {folder / "in" / name: folder / f"{name}_out.png" for name in ("a.png", "c.png")}
    with monkeypatch.context() as patched:
        patched.setattr("sparsesr.jobs.files.encode_to", lambda *a, **k: fail())
        outcomes = [outcome for _, _, outcome in upscale_files(upscaler, targets, WriteOptions(), unwatched)]
    assert [type(outcome) for outcome in outcomes] == [SparsesrError] * 2
    assert outcomes[0].__cause__ is broken and "a.png: internal error: RuntimeError" in str(outcomes[0])
    assert upscaler.budget.reserved_bytes == 0
    assert all(
        isinstance(o, FileResult) for _, _, o in upscale_files(upscaler, targets, WriteOptions(), unwatched)
    )
