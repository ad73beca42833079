"""Writer of model files: atomic, deterministic, and only of models that the reader accepts."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

from sparsesr.errors import ModelError
from sparsesr.limits import ModelLimits
from sparsesr.modelfile import json_fields
from sparsesr.modelfile.balanced_storage import balanced_weights, packed_tensors
from sparsesr.modelfile.json_fields import shown
from sparsesr.modelfile.reader import LIMITS, parse_description, widened
from sparsesr.modelfile.spec import METADATA_KEY, Facts, Graph, to_json

if TYPE_CHECKING:
    import numpy.typing as npt

STORAGE_TYPES = {"f32": np.float32, "f16": np.float16}
_PREFIX_CHARACTERS = 32
"""Of a temporary file's name: of up to four bytes each, and systems allow 255 bytes for all."""


def write_model(
    path: str | os.PathLike[str],
    facts: Facts,
    graph: Graph,
    tensors: Mapping[str, npt.NDArray[Any]],
    dtype: str = "f32",
    limits: ModelLimits = LIMITS,
) -> None:
    """Write a model file, replacing an existing one.

    Args:
        path: destination; its folder must exist. The file appears complete or not at all.
        facts: facts of the model.
        graph: the network.
        tensors: the weights, by the names that the graph's nodes use.
        dtype: storage type of the weights, ``f32`` or ``f16``.
        limits: size limits.

    Raises:
        ModelError: the reader would refuse the file, a weight does not fit in f16, or it cannot be written.
    """
    try:
        data = encode_model(facts, graph, tensors, dtype, limits)
        _replace(Path(path), data)
    except OSError as error:
        raise ModelError(f"{os.fspath(path)}: cannot write the model file: {error.strerror}") from None
    except ModelError as error:
        raise ModelError(f"{os.fspath(path)}: {error}") from None


def encode_model(
    facts: Facts,
    graph: Graph,
    tensors: Mapping[str, npt.NDArray[Any]],
    dtype: str = "f32",
    limits: ModelLimits = LIMITS,
) -> bytes:
    """Return the bytes of a model file; arguments and errors as :func:`write_model`."""
    if dtype not in STORAGE_TYPES:
        raise ModelError(f"weights are stored as {' or '.join(STORAGE_TYPES)}, not {dtype}")
    text = json_fields.dump(to_json(facts, graph), "the description")
    packed = packed_tensors(tensors, balanced_weights(graph))
    stored = {name: _narrowed(name, tensor, dtype) for name, tensor in sorted(packed.items())}
    data = safetensors.numpy.save(stored, metadata={METADATA_KEY: text})
    parse_description(io.BytesIO(data), len(data), limits)
    return data


def _narrowed(name: str, tensor: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """A tensor in its storage type; the positions of balanced weights, in uint8, stay as they are."""
    if tensor.dtype == np.uint8:
        return tensor
    wide = widened(name, tensor)
    with np.errstate(over="ignore"):
        narrow = wide.astype(STORAGE_TYPES[dtype])
    if not np.isfinite(narrow).all():
        raise ModelError(f"tensor {shown(name)} holds values that do not fit in {dtype}; store it as f32")
    return narrow


def _replace(path: Path, data: bytes) -> None:
    """Write a temporary file beside the target, sync it, then rename: readers see the old or the new file."""
    target = Path(os.path.realpath(path))  # a symbolic link is kept: its target is replaced
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else _new_file_mode()
    prefix = f".{target.name[:_PREFIX_CHARACTERS]}."
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _new_file_mode() -> int:
    """Mode that open() would have used: mkstemp's files are readable by the owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
