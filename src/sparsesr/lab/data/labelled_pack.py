"""Packed labelled images: one array, decoded once and memory-mapped, with an index beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sparsesr.errors import ModelError, UsageError
from sparsesr.image.destination import atomic_file
from sparsesr.lab.data.labelled_images import LabelledImages, decode_all
from sparsesr.lab.data.labelled_sources import TRAIN, Source, open_source
from sparsesr.lab.data.pack import index_of, note_of_change, repacking
from sparsesr.lab.data.training_set import wait_for

FORMAT = 1


def open_labelled(
    dataset: str,
    folders: Sequence[str],
    packed: Path,
    report: Callable[[str], None],
    *,
    split: str = TRAIN,
    packs: bool = True,
    checks: bool = True,
) -> LabelledImages:
    """Open packed images, packing them first if ``packed`` is missing; images that cannot be read are reported.

    Processes with ``packs`` False wait for the one that packs. Without ``checks``, the images that were packed need
    not exist any more.

    Raises:
        UsageError: the file was packed from other images.
        InputError: no usable images, or they differ in size.
        ModelError: the packed file is damaged.
    """
    index = index_of(packed)
    if not index.exists():
        if packs:
            report("packing the images (once)")
            pack_labelled(open_source(dataset, folders, split), packed, report)
        else:
            wait_for(index)
    images = read_packed(packed)
    if checks and (folders or dataset != "folder"):
        wanted = open_source(dataset, folders, split)
        _check_source(images, wanted, packed)
        _report_images(images, wanted, packed, report)
    return images


def _report_images(
    images: LabelledImages, wanted: Source, packed: Path, report: Callable[[str], None]
) -> None:
    report(f"{len(images):,} images of {len(images.classes)} classes")
    files_then = json.loads(index_of(packed).read_text()).get("files")
    note = note_of_change(packed, files_then, sum(1 for _ in wanted.images))
    if note:
        report(note)


def _check_source(images: LabelledImages, wanted: Source, packed: Path) -> None:
    """Raise UsageError unless the packed images come from there, and classes have the same numbers."""
    if images.source != wanted.name:
        problem = f"was packed from {images.source}, not {wanted.name}"
    elif list(images.classes) != wanted.classes:
        problem = f"was packed when {wanted.name} held other classes"
    else:
        return
    remedy = f"{repacking(packed)}, or choose another file with packed="
    raise UsageError(problem, where=str(packed), remedy=remedy)


def read_packed(path: Path) -> LabelledImages:
    """The images of a packed file, mapped.

    Raises:
        ModelError: the file or its index is missing, damaged, or of another version.
    """
    try:
        index = json.loads(index_of(path).read_text())
        if index["format"] != FORMAT:
            raise ValueError(f"format {index['format']}")
        labels = np.asarray(index["labels"], np.int64)
        return LabelledImages(index["source"], index["classes"], np.load(path, mmap_mode="r"), labels)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"not a packed set of labelled images ({type(error).__name__})",
            where=str(path),
            remedy=repacking(path),
        ) from None


def pack_labelled(source: Source, destination: Path, report: Callable[[str], None]) -> None:
    """Decode all images of a source into one array on disk; the index is written last.

    Raises:
        InputError: as :func:`decode_all`, or the file cannot be written.
    """
    listed = list(source.images)
    images, _ = decode_all(replace(source, images=iter(listed)), report)
    with atomic_file(destination, overwrite=True) as file:
        np.save(file, images.pixels)
    index = {
        "format": FORMAT,
        "source": source.name,
        "classes": source.classes,
        "labels": images.labels.tolist(),
        "files": len(listed),
    }
    with atomic_file(index_of(destination), overwrite=True) as file:
        file.write(json.dumps(index).encode())
