"""Reads the weights of ``.pt``, ``.pth``, ``.ckpt`` and ``.safetensors`` checkpoints in a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import safetensors.torch
from torch import Tensor

from sparsesr.errors import ModelError
from sparsesr.limits import MEBIBYTE, ModelLimits

StateDict = dict[str, Tensor]
Value = TypeVar("Value")

SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors")
_HANGS_AFTER_S = 3600 if os.name == "posix" else 120
"""On POSIX the reader limits its own processor time; this only ends one that hangs, not one on a busy machine."""
_READER = "sparsesr.lab.export.checkpoint_reader"
_PARALLEL_PREFIX = "module."


def read_checkpoint(path: Path) -> StateDict:
    """The tensors of a checkpoint by name, as float32, without wrapper dictionaries.

    Raises:
        ModelError: it cannot be read, holds no tensors, or holds values that are not finite.
    """
    _check_file(path)
    with tempfile.TemporaryDirectory(prefix="sparsesr-") as folder:
        target = Path(folder) / "tensors.safetensors"
        _run_reader(path, target, folder)
        tensors = safetensors.torch.load_file(target)
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ModelError(f"{path}: {name[:100]} holds NaN or infinite values; the training diverged")
    return without_parallel_prefix(tensors)


def without_parallel_prefix(entries: Mapping[str, Value]) -> dict[str, Value]:
    """Entries by their names without the prefix that DataParallel gives to all."""
    if not all(name.startswith(_PARALLEL_PREFIX) for name in entries):
        return dict(entries)
    return {name.removeprefix(_PARALLEL_PREFIX): value for name, value in entries.items()}


def _check_file(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise ModelError(f"{path}: checkpoints are {', '.join(SUFFIXES)} files")
    try:
        size = path.stat().st_size if path.is_file() else -1
        with path.open("rb"):
            pass
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); check the name") from None
    limit = ModelLimits().max_file_bytes
    if size > limit:
        raise ModelError(f"{path}: {size // MEBIBYTE} MiB is over the limit of {limit // MEBIBYTE} MiB")


def _run_reader(path: Path, target: Path, folder: str) -> None:
    # The child starts in an empty private folder, so that it imports nothing from the current one.
    search_path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry)
    command = [sys.executable, "-m", _READER, str(path.resolve()), str(target)]
    environment = {**os.environ, "PYTHONPATH": search_path}
    try:
        child = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=_HANGS_AFTER_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{path}: reading it took more than {_HANGS_AFTER_S} s and was stopped") from None
    if child.returncode == 0:
        return
    lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
    reason = lines[-1] if child.returncode == 3 and lines else "could not be read within the limits"
    raise ModelError(f"{path}: {reason}")
