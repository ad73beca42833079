"""The pictures of a run: packed on the first start, found again on the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sparsesr.errors import InputError, UsageError
from sparsesr.lab.data.pack import PackedPairs, pack

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
    """The packed pictures of ``folders``, made if ``packed`` is missing; pictures left out are reported.

    Processes with ``packs`` False wait for the one that packs.

    Raises:
        InputError: no pictures.
        ModelError: the packed file is damaged.
        UsageError: it holds other pictures than asked for.
    """
    index = packed.with_suffix(".json")
    if not index.exists():
        if packs:
            _pack(folders, packed, scale, lr_patch_px, report)
        else:
            _wait_for(index)
    pairs = PackedPairs(packed)
    if pairs.scale != scale:
        raise UsageError(f"{packed}: is packed for x{pairs.scale}, not x{scale}; name another with packed=")
    wanted = [str(folder.resolve()) for folder in folders]
    if wanted and pairs.folders and wanted != pairs.folders:
        raise UsageError(
            f"{packed}: was packed from {', '.join(pairs.folders)}; delete it, or name another with packed="
        )
    return pairs


def _pack(
    folders: Sequence[Path], packed: Path, scale: int, lr_patch_px: int, report: Callable[[str], None]
) -> None:
    if not folders:
        raise InputError(f"no training pictures: name folders (or a packed file; {packed} is not there)")
    report("packing the training pictures (once)")
    skipped = pack(folders, packed, scale, lr_patch_px)
    for line in skipped[:_SHOWN]:
        report(f"left out: {line}")
    if len(skipped) > _SHOWN:
        report(f"left out: {len(skipped) - _SHOWN} more")


def _wait_for(path: Path) -> None:
    """By looking, not by a barrier: packing may take longer than processes wait for each other."""
    until = time.monotonic() + _LONGEST_WAIT_S
    while not path.exists():
        if time.monotonic() > until:
            raise InputError(f"{path}: the first process has not packed the pictures; see its messages")
        time.sleep(0.2)
