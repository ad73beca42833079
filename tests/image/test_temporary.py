"""Temporary files: those of killed processes are removed, those of running ones never."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sparsesr.image import temporary
from sparsesr.image.destination import atomic_file
from sparsesr.image.temporary import create_temporary, remove_stale

_WRITER = """
import sys
from pathlib import Path
from sparsesr.image.temporary import create_temporary
path, descriptor = create_temporary(Path(sys.argv[1]))
print(path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def every_folder_is_searched(monkeypatch):
    monkeypatch.setattr(temporary, "_cleaned", set())


def test_a_file_that_is_being_written_is_kept_and_removed_after_its_writer_was_killed(tmp_path, monkeypatch):
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        path = Path(writer.stdout.readline().strip())
        remove_stale(tmp_path)
        assert path.exists()
        writer.send_signal(signal.SIGKILL)
        writer.wait(60)
    remove_stale(tmp_path)
    assert path.exists(), "once per folder and process"
    monkeypatch.setattr(temporary, "_cleaned", set())
    remove_stale(tmp_path)
    assert not path.exists()


def test_the_next_file_written_there_removes_it(tmp_path):
    stale, descriptor = create_temporary(tmp_path)
    os.close(descriptor)
    others = [tmp_path / name for name in (".sparsesr-mine.txt", "mine.tmp", ".sparsesr-link.tmp")]
    others[0].touch(), others[1].touch(), others[2].symlink_to(others[1])
    with atomic_file(tmp_path / "out.bin", overwrite=False) as file:
        assert not stale.exists()
        file.write(b"new")
    assert all(path.is_symlink() or path.exists() for path in others), "only our own files"


def test_the_name_is_taken_while_the_file_is_locked(tmp_path, monkeypatch):
    """Another process that looks for stale files at the worst moment must not take a finished file away."""
    link = os.link

    def look_and_link(*names, **options):
        monkeypatch.setattr(temporary, "_cleaned", set())
        remove_stale(tmp_path)
        return link(*names, **options)

    monkeypatch.setattr(os, "link", look_and_link)
    with atomic_file(tmp_path / "out.bin", overwrite=False) as file:
        file.write(b"whole")
    assert (tmp_path / "out.bin").read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["out.bin"]


def test_a_file_taken_as_stale_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    lock, taken = temporary.fcntl.flock, []

    def take_and_lock(descriptor, operation):
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(temporary.fcntl, "flock", take_and_lock)
    path, descriptor = create_temporary(tmp_path)
    os.close(descriptor)
    assert path.exists() and path != taken[0]


def test_folders_that_cannot_be_searched_are_left_alone(tmp_path):
    remove_stale(tmp_path / "none")
    (tmp_path / "file").touch()
    remove_stale(tmp_path / "file")
