"""Reader of model files; checks everything about a file before it reads the tensors."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open

from sparsesr.errors import ModelError
from sparsesr.limits import ModelLimits
from sparsesr.modelfile.balanced_storage import (
    balanced_weights,
    dense_shapes,
    positions_name,
    unpacked_tensor,
)
from sparsesr.modelfile.json_fields import shown
from sparsesr.modelfile.safetensors_header import Header, read_header
from sparsesr.modelfile.spec import Facts, Graph, ModelFile, from_json, scales_of
from sparsesr.modelfile.validation import check_model

if TYPE_CHECKING:
    import numpy.typing as npt

    from sparsesr.modelfile.spec import Tensor

LIMITS = ModelLimits()


@dataclass(frozen=True)
class Description:
    """A model file without its tensors: everything known from the header."""

    facts: Facts
    graph: Graph
    header: Header

    @property
    def scales(self) -> tuple[int, ...]:
        """The scales that the model serves, ascending."""
        return scales_of(self.facts, self.graph)


def read_model(path: str | os.PathLike[str], limits: ModelLimits = LIMITS) -> ModelFile:
    """Read and check a model file.

    Args:
        path: a ``.safetensors`` file written by :func:`sparsesr.modelfile.writer.write_model`.
        limits: size limits.

    Raises:
        ModelError: the file is missing, unreadable, damaged, hostile, or from a newer sparsesr.
    """
    description = read_description(path, limits)
    try:
        tensors = _read_tensors(path, description)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{os.fspath(path)}: cannot read the weights: {error}") from None
    except ModelError as error:
        raise ModelError(f"{os.fspath(path)}: {error}") from None
    return ModelFile(description.facts, description.graph, tensors)


def read_description(path: str | os.PathLike[str], limits: ModelLimits = LIMITS) -> Description:
    """Read and check everything but the tensors' values: a few kilobytes, whatever the size of the file.

    Raises:
        ModelError: as :func:`read_model`.
    """
    try:
        with _opened(path) as file:
            return parse_description(file, _regular_size(file), limits)
    except OSError as error:
        raise ModelError(f"{os.fspath(path)}: cannot read the model file: {error.strerror}") from None
    except ModelError as error:
        raise ModelError(f"{os.fspath(path)}: {error}") from None


def parse_description(file: BinaryIO, file_bytes: int, limits: ModelLimits) -> Description:
    """Parse and check a model file, open at its start, without reading the tensors' values.

    Raises:
        ModelError: the file is refused; the caller adds the file's name.
    """
    header = read_header(file, file_bytes, limits)
    facts, graph = from_json(header.description, limits.max_nodes)
    shapes = dense_shapes(header, balanced_weights(graph), limits.max_file_bytes)
    check_model(facts, graph, shapes, limits)
    return Description(facts, graph, header)


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return open(path, "rb", opener=_without_waiting)
    except ValueError:  # a null character
        raise ModelError("is no name of a file") from None


def _without_waiting(path: str, flags: int) -> int:
    """Open a pipe, too, at once, rather than when somebody writes to it; it is refused afterwards."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _regular_size(file: BinaryIO) -> int:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise ModelError("is not a regular file")
    return status.st_size


def _read_tensors(path: str | os.PathLike[str], description: Description) -> dict[str, Tensor]:
    stored = _stored_tensors(path, description.header)
    balanced = balanced_weights(description.graph)
    dense = {name: unpacked_tensor(name, stored, *how) for name, how in balanced.items()}
    positions = {positions_name(name) for name in balanced}
    return {name: widened(name, dense.get(name, stored[name])) for name in stored if name not in positions}


def _stored_tensors(path: str | os.PathLike[str], header: Header) -> dict[str, npt.NDArray[Any]]:
    opened: Any = safe_open  # its stub does not declare what it yields
    with opened(os.fspath(path), framework="numpy") as file:
        tensors: dict[str, npt.NDArray[Any]] = {
            name: file.get_tensor(name) for name in sorted(header.tensors)
        }
    if any(tensor.shape != header.tensors[name].shape for name, tensor in tensors.items()):
        raise ModelError("changed while it was being read")
    return tensors


def widened(name: str, stored: npt.NDArray[Any]) -> Tensor:
    """Convert a stored tensor to the runtime's form: float32, contiguous, read-only, finite.

    Raises:
        ModelError: it holds NaN or infinity.
    """
    tensor = np.ascontiguousarray(stored, dtype=np.float32)
    if not np.isfinite(tensor).all():
        raise ModelError(f"tensor {shown(name)} holds NaN or infinite values; the file is damaged")
    tensor.flags.writeable = False
    return tensor
