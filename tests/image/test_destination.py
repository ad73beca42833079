"""Output appears complete or not at all, and replaces nothing without being told to."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from sparsesr.errors import InputError, LimitError, UsageError
from sparsesr.image import destination
from sparsesr.image.decode import decode
from sparsesr.image.decoded_image import DecodedImage
from sparsesr.image.destination import atomic_file, checked_destination
from sparsesr.image.encode import encode

IMAGE = DecodedImage(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
EXTENSIONS = (".jpg", ".png", ".webp", ".tif")


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_file_is_written_and_nothing_else(tmp_path, extension):
    path = tmp_path / f"out{extension}"
    encoded = encode(IMAGE, path)
    assert names(tmp_path) == [path.name]
    assert encoded.size_bytes == path.stat().st_size
    assert encoded.data is None
    assert decode(path).rgb.shape == IMAGE.rgb.shape


def test_an_existing_file_is_kept_without_overwrite(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"mine")
    path.chmod(0o640)
    with pytest.raises(InputError, match=r"exists; pass overwrite or another output"):
        encode(IMAGE, path)
    assert path.read_bytes() == b"mine"
    encode(IMAGE, path, overwrite=True)
    assert decode(path).rgb.shape == IMAGE.rgb.shape
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["out.png"]


def test_new_files_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        encode(IMAGE, tmp_path / "out.png")
    finally:
        os.umask(before)
    assert (tmp_path / "out.png").stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    encode(IMAGE, tmp_path / "link.png", overwrite=True)
    assert (tmp_path / "link.png").is_symlink()
    assert decode(tmp_path / "real.png").rgb.shape == IMAGE.rgb.shape


def test_unusable_destinations_are_reported_before_any_work(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    cases = [
        (tmp_path / "no" / "out.png", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe.png", "not a regular file"),
        (tmp_path / "pipe.png" / "out.png", "cannot be written"),
        (tmp_path / ("x" * 300 + ".png"), "name is too long"),
        (tmp_path / "nul\0.png", "cannot be written"),
    ]
    for path, words in cases:
        with pytest.raises(InputError, match=words) as caught:
            checked_destination(path, overwrite=True, format="png")
        assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["pipe.png"]


def test_a_folder_without_a_format(tmp_path):
    with pytest.raises(InputError, match="is a folder; name the file to write with output"):
        checked_destination(tmp_path, overwrite=False)
    with pytest.raises(UsageError, match="cannot write the format"):
        checked_destination(tmp_path / "new", overwrite=False)


def test_no_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_args: False)
    with pytest.raises(InputError, match="no permission to write"):
        checked_destination(tmp_path / "out.png", overwrite=False)


def test_format_limits_are_checked_before_any_work(tmp_path):
    with pytest.raises(LimitError, match="WebP's 16383 px"):
        checked_destination(tmp_path / "out.webp", overwrite=False).check_size(16_384, 10)
    tiff = checked_destination(tmp_path / "out.TIFF", overwrite=False)
    tiff.check_size(16_384, 10)
    assert tiff.format == "tiff"


class _FullDisk(io.FileIO):
    """Accepts some bytes, then reports that the disk is full."""

    room = 200

    def write(self, data):
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_no_trace(tmp_path, monkeypatch, extension, overwrite):
    path = tmp_path / f"out{extension}"
    if overwrite:
        path.write_bytes(b"mine")
    monkeypatch.setattr(destination.os, "fdopen", lambda descriptor, mode: _FullDisk(descriptor, mode))
    with pytest.raises(InputError, match="no space left on the disk"):
        encode(IMAGE, path, overwrite=overwrite)
    assert names(tmp_path) == ([path.name] if overwrite else [])
    assert not overwrite or path.read_bytes() == b"mine"


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_file_size_limit_of_the_system(tmp_path, extension):
    pytest.importorskip("resource")
    code = (
        "import pathlib, resource, sys\n"
        "import numpy as np\n"
        "from sparsesr.errors import InputError\n"
        "from sparsesr.image.encode import encode\n"
        "from sparsesr.image.decoded_image import DecodedImage\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "decoded = DecodedImage(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))\n"
        "try:\n    encode(decoded, pathlib.Path(sys.argv[1]))\n"
        "except InputError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / f"out{extension}")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "larger than the system allows" in done.stdout
    assert names(tmp_path) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_no_trace(tmp_path, failure):
    with pytest.raises(failure), atomic_file(tmp_path / "out.png", overwrite=False) as file:
        file.write(b"half")
        raise failure
    assert names(tmp_path) == []


def test_a_file_that_appears_in_the_meantime_is_not_replaced(tmp_path):
    path = tmp_path / "out.png"
    with pytest.raises(InputError, match="exists"), atomic_file(path, overwrite=False) as file:
        file.write(b"ours")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["out.png"]


@pytest.mark.parametrize("links_work", [True, False])
def test_exactly_one_of_many_writers_wins(tmp_path, monkeypatch, links_work):
    if not links_work:

        def refuse(*_args):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(destination.os, "link", refuse)
    path, outcomes, start = tmp_path / "out.bin", [], threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        try:
            with atomic_file(path, overwrite=False) as file:
                file.write(bytes([number]) * 1000)
            outcomes.append(number)
        except InputError:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [number for number in outcomes if number is not None]
    assert len(winners) == 1
    assert path.read_bytes() == bytes(winners) * 1000
    assert names(tmp_path) == ["out.bin"]


def test_output_over_the_input(tmp_path):
    path = tmp_path / "photo.png"
    encode(IMAGE, path)
    encode(decode(path), path, overwrite=True)
    np.testing.assert_array_equal(decode(path).rgb, IMAGE.rgb)
