"""Whether a machine sees the folders of a batch."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sparsesr import __version__
from sparsesr.cluster.scout import look_around, probing
from sparsesr.errors import InputError


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "a.png"
    path.touch()
    return path


def test_a_machine_that_sees_the_folders_can_take_part(tmp_path, source):
    with probing(tmp_path, source) as probe:
        facts = look_around(probe)
    assert facts.fault is None and facts.version == __version__
    assert facts.gains.keys() == {"bf16", "int8"} and "conv" in facts.kernels
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_of_the_same_name_is_not_the_same_folder(tmp_path, source):
    with probing(tmp_path, source) as probe:
        other = look_around(replace(probe, content="another")).fault
        absent = look_around(replace(probe, path=tmp_path / "absent" / "probe")).fault
    for fault in (other, absent):
        assert isinstance(fault, InputError) and fault.asks_for("output")
        assert "is not visible there; name a folder" in str(fault)
    assert other.where == str(tmp_path)


def test_inputs_that_are_not_visible_are_named(tmp_path, source):
    with probing(tmp_path, tmp_path / "b.png") as probe:
        fault = look_around(probe).fault
    assert fault is not None and str(fault).startswith(
        f"{tmp_path / 'b.png'}: is not visible there; put the images"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path, source):
    with probing(tmp_path, source) as probe:
        tmp_path.chmod(0o500)
        fault = look_around(probe).fault
        tmp_path.chmod(0o700)
    assert "cannot be written there" in str(fault)


def test_a_probe_that_cannot_be_written_is_one_error(tmp_path, source):
    with pytest.raises(InputError, match="cannot be written"), probing(tmp_path / "absent", source):
        pass
