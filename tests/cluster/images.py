"""Folders of small images, and what ``upscale`` makes of them."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from sparsesr.cli.main import main
from support.tiny_models import photo


def save(path: Path | str, height: int = 12, width: int = 16, seed: int = 0) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(height, width, seed=seed)).save(path)


def folder_of(count: int, folder: str = "in") -> None:
    for number in range(count):
        save(f"{folder}/{number:02d}.png", 12 + number, 16, seed=number)


def results(folder: str) -> dict[str, bytes]:
    """The images in a folder and below, by their names there."""
    paths = sorted(Path(folder).rglob("*.png"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def upscaled(folder: str, *arguments: str) -> dict[str, bytes]:
    """What ``upscale`` makes of a folder, computed anew."""
    main(["upscale", folder, "-o", "expected/", "-q", "--overwrite", "-j", "1", *arguments])
    return results("expected")


def states(folder: str) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in Path(folder).glob("*.png")}


def records(out: str) -> tuple[list[dict], dict]:
    """The records of files, and the summary."""
    *files, last = [json.loads(line) for line in out.splitlines()]
    return files, last["summary"]
