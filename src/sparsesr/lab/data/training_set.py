"""Training set of a run: packed on the first start, reused on the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sparsesr.errors import InputError, UsageError
from sparsesr.lab.data.pack import PackedPairs, image_paths, index_of, note_of_change, pack, repacking

_SHOWN = 20
_LONGEST_WAIT_S = 3600.0


def open_training_set(
    folders: Sequence[Path],
    packed: Path,
    scale: int,
    lr_patch_px: int,
    report: Callable[[str], None],
    *,
    packs: bool = True,
) -> PackedPairs:
    """Open the packed images of ``folders``, packing them if ``packed`` is missing.

    Reported are their number, skipped images, and whether the folders, where they still exist, hold other files now.

    Processes with ``packs`` False wait for the one that packs.

    Raises:
        InputError: no images.
        ModelError: the packed file is damaged.
        UsageError: the packed file was made from other folders or for another scale.
    """
    index = index_of(packed)
    if not index.exists():
        if packs:
            _pack(folders, packed, scale, lr_patch_px, report)
        else:
            wait_for(index)
    pairs = PackedPairs(packed)
    if pairs.scale != scale:
        raise UsageError(f"{packed}: is packed for x{pairs.scale}, not x{scale}; choose another with packed=")
    wanted = [str(folder.resolve()) for folder in folders]
    if wanted and pairs.folders and wanted != pairs.folders:
        raise UsageError(
            f"was packed from {', '.join(pairs.folders)}",
            where=str(packed),
            remedy=f"{repacking(packed)}, or choose another file with packed=",
        )
    if packs:
        _report_images(pairs, folders, packed, report)
    return pairs


def _report_images(
    pairs: PackedPairs, folders: Sequence[Path], packed: Path, report: Callable[[str], None]
) -> None:
    report(f"{len(pairs):,} training images for x{pairs.scale}")
    if folders and pairs.files is not None and all(folder.is_dir() for folder in folders):
        note = note_of_change(packed, pairs.files, sum(1 for _ in image_paths(folders)))
        if note:
            report(note)


def _pack(
    folders: Sequence[Path], packed: Path, scale: int, lr_patch_px: int, report: Callable[[str], None]
) -> None:
    if not folders:
        raise InputError(f"no training images: name folders, or a packed file ({packed} does not exist)")
    report("packing the training images (once)")
    report_skipped(pack(folders, packed, scale, lr_patch_px), report)


def report_skipped(skipped: Sequence[str], report: Callable[[str], None]) -> None:
    """Report the first images that could not be packed, and the number of the others."""
    for line in skipped[:_SHOWN]:
        report(f"skipped: {line}")
    if len(skipped) > _SHOWN:
        report(f"skipped: {len(skipped) - _SHOWN} more")


def wait_for(path: Path) -> None:
    """Poll instead of using a barrier: packing may take longer than the process-group timeout."""
    until = time.monotonic() + _LONGEST_WAIT_S
    while not path.exists():
        if time.monotonic() > until:
            raise InputError(f"{path}: the first process did not pack the images; see its messages")
        time.sleep(0.2)
