"""What a manifest remembers, for results that changed in every way between two batches."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sparsesr.cluster.items import Done, Item
from sparsesr.cluster.manifest import NAME, Manifest
from sparsesr.errors import InputError, UsageError
from sparsesr.jobs.batch import Skipped
from sparsesr.jobs.journal import state_of

OLD, NEW = {"scale": 2}, {"scale": 3}


@pytest.fixture
def source(tmp_path) -> Path:
    (tmp_path / "a.png").write_bytes(b"input")
    return tmp_path / "a.png"


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "a_x2.png"


def write(path: Path, data: bytes, seconds: int) -> None:
    path.write_bytes(data)
    os.utime(path, (seconds, seconds))


def item_of(source: Path, target: Path, *, replaces: bool = False) -> Item:
    return Item(source, target, replaces, False, state_of(source), state_of(target))


def finished(source: Path, target: Path) -> Manifest:
    """A batch that has written the target."""
    manifest = Manifest(target.parent, OLD)
    manifest.begin_anew(may_replace=False)
    item = item_of(source, target)
    manifest.begin([item])
    write(target, b"result", 100)
    manifest.done(item, Done({}, state_of(target)))
    return manifest


def resumed(target: Path, settings=OLD) -> Manifest:
    manifest = Manifest(target.parent, settings)
    manifest.resume()
    return manifest


def test_what_is_done_is_not_done_again(source, target):
    finished(source, target)
    assert isinstance(resumed(target).past(source, target), Skipped)


@pytest.mark.parametrize("change", ["settings", "input", "name"])
def test_an_old_result_of_the_batch_is_replaced(source, target, change):
    finished(source, target)
    if change == "input":
        source.write_bytes(b"another input")
    if change == "name":
        source = source.rename(source.with_suffix(".jpg"))
    assert resumed(target, NEW if change == "settings" else OLD).past(source, target) is True


def test_a_result_that_somebody_changed_is_not_ours(source, target):
    finished(source, target)
    write(target, b"retouched", 200)
    assert resumed(target).past(source, target) is False


def test_a_result_that_is_gone_is_made_again(source, target):
    finished(source, target)
    target.unlink()
    assert resumed(target).past(source, target) is False


def test_a_result_that_appeared_after_the_last_word_is_done(source, target):
    """The coordinator was killed before it could note the answer."""
    manifest = Manifest(target.parent, OLD)
    manifest.begin_anew(may_replace=False)
    manifest.begin([item_of(source, target)])
    assert resumed(target).past(source, target) is False, "nothing was written"
    write(target, b"result", 100)
    assert isinstance(resumed(target).past(source, target), Skipped)


def test_a_file_that_was_there_before_is_not_taken_as_a_result(source, target):
    write(target, b"somebody else's", 100)
    manifest = Manifest(target.parent, OLD)
    manifest.begin_anew(may_replace=False)
    item = item_of(source, target)
    manifest.begin([item])
    assert resumed(target).past(source, target) is False
    manifest.failed(item, InputError("exists", where="a_x2.png"))
    assert resumed(target).past(source, target) is False


def test_an_old_result_stays_ours_while_its_successor_fails(source, target):
    finished(source, target)
    manifest = resumed(target, NEW)
    item = item_of(source, target, replaces=True)
    manifest.begin([item])
    assert resumed(target, NEW).past(source, target) is True
    manifest.failed(item, InputError("is damaged"))
    assert resumed(target, NEW).past(source, target) is True


def test_the_measurement_of_a_batch_decides_when_it_is_resumed(source, target):
    manifest = Manifest(target.parent, OLD, {"bf16": 2.0, "int8": 0.0})
    manifest.begin_anew(may_replace=False)
    for settings, expected in ((OLD, 2.0), (NEW, 1.0)):
        again = Manifest(target.parent, settings, {"bf16": 1.0, "int8": 0.0})
        again.resume()
        assert again.gains == {"bf16": expected, "int8": 0.0}


def test_a_torn_last_line_is_left_out_and_the_next_one_is_whole(source, target):
    manifest = finished(source, target)
    with manifest.path.open("ab") as file:
        file.write(b'{"state": "failed", "input": "a.p')
    again = resumed(target)
    assert isinstance(again.past(source, target), Skipped)
    last = manifest.path.read_bytes().splitlines()[-1]
    assert json.loads(last)["values"] == OLD


def test_lines_that_are_damaged_are_left_out(source, target):
    path = finished(source, target).path
    whole = json.loads(path.read_text().splitlines()[-1])
    without_output = {key: value for key, value in whole.items() if key != "output"}
    with path.open("a") as file:
        for line in (without_output, {**without_output, "output_bytes": "no hex"}, [1], "text"):
            file.write(json.dumps(line) + "\n")
    assert isinstance(resumed(target).past(source, target), Skipped)


def test_names_that_are_not_utf8_are_remembered(tmp_path):
    source, target = (tmp_path / os.fsdecode(name) for name in (b"caf\xe9.png", b"caf\xe9_x2.png"))
    source.write_bytes(b"input")
    finished(source, target)
    assert isinstance(resumed(target).past(source, target), Skipped)


def test_an_earlier_manifest_is_not_lost_by_accident(source, target):
    path = finished(source, target).path
    with pytest.raises(UsageError, match="is the manifest of an earlier batch"):
        Manifest(target.parent, OLD).begin_anew(may_replace=False)
    assert len(path.read_bytes().splitlines()) == 3
    Manifest(target.parent, OLD).begin_anew(may_replace=True)
    assert len(path.read_bytes().splitlines()) == 1


def test_a_manifest_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(InputError, match=NAME):
        Manifest(tmp_path, OLD).resume()
