"""Safetensors header, checked before anything is mapped, allocated or passed to a library.

Layout: 8 bytes, the little-endian length N; N bytes of JSON, name -> {dtype, shape, data_offsets}; then the
data. The tensors must tile the data without gap or overlap, so that every size in the header is proved by the
file's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import BinaryIO

from sparsesr.errors import ModelError
from sparsesr.limits import ModelLimits
from sparsesr.modelfile import json_fields as fields
from sparsesr.modelfile.json_fields import Json, shown
from sparsesr.modelfile.spec import METADATA_KEY, check_version

ITEM_BYTES = {"F32": 4, "F16": 2, "U8": 1}
POSITIONS_TYPE = "U8"
"""Type of the positions of balanced weights; all other tensors are floats."""
_LENGTH_BYTES = 8
_MAX_DIMENSIONS = 4


@dataclass(frozen=True)
class StoredTensor:
    """Position of a tensor in the data section: bytes [begin, end)."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """Parsed header: the model's description and its tensors."""

    description: Json
    tensors: dict[str, StoredTensor]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor."""
        return {name: tensor.shape for name, tensor in self.tensors.items()}


def read_header(file: BinaryIO, file_bytes: int, limits: ModelLimits) -> Header:
    """Read and check the header at the start of ``file``, which has ``file_bytes`` bytes in all.

    Raises:
        ModelError: too large, truncated, not a model of sparsesr, or the tensors do not tile the data.
    """
    if file_bytes > limits.max_file_bytes:
        raise ModelError(f"has {file_bytes:,} bytes, the limit for model files is {limits.max_file_bytes:,}")
    text = _header_text(file, file_bytes, limits)
    entries = fields.as_object(fields.parse(text, "the header"), "the header")
    description = fields.parse(_description(entries.pop("__metadata__", None)), "the graph")
    check_version(description)  # first, because newer formats may have other tensors
    tensors = {name: _stored_tensor(name, entry) for name, entry in entries.items()}
    _check_tiling(tensors, file_bytes - file.tell())
    return Header(description, tensors)


def _description(metadata: Json) -> str:
    if not isinstance(metadata, dict) or METADATA_KEY not in metadata:
        raise ModelError("holds weights without a sparsesr graph; try `sparsesr models import`")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ModelError("has metadata that is not a string")
    return str(metadata[METADATA_KEY])


def _header_text(file: BinaryIO, file_bytes: int, limits: ModelLimits) -> bytes:
    prefix = file.read(_LENGTH_BYTES)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < _LENGTH_BYTES or length > file_bytes - _LENGTH_BYTES:
        raise ModelError("is truncated or not a safetensors file")
    if length > limits.max_header_bytes:
        raise ModelError(f"has a header of {length:,} bytes, the limit is {limits.max_header_bytes:,}")
    text = file.read(length)
    if len(text) < length or not text.startswith(b"{"):
        raise ModelError("is truncated or not a safetensors file")
    return text


def _stored_tensor(name: str, entry: Json) -> StoredTensor:
    where = f"tensor {shown(name)}"
    data = fields.as_object(entry, where)
    dtype = fields.text(data, "dtype", where)
    if dtype not in ITEM_BYTES:
        raise ModelError(f"{where} is stored as {shown(dtype)}; models hold F32 or F16")
    shape = _sizes(data, "shape", where)
    offsets = _sizes(data, "data_offsets", where)
    if len(shape) > _MAX_DIMENSIONS or len(offsets) != 2:
        raise ModelError(f"{where} has an impossible shape or place")
    if offsets[1] - offsets[0] != prod(shape) * ITEM_BYTES[dtype]:
        raise ModelError(f"{where} has a place that does not fit its shape {list(shape)}")
    return StoredTensor(dtype, shape, offsets[0], offsets[1])


def _sizes(data: dict[str, Json], key: str, where: str) -> tuple[int, ...]:
    """Non-negative integers; Python's do not overflow in the arithmetic that follows."""
    sizes = tuple(value for value in fields.sequence(data, key, where) if type(value) is int and value >= 0)
    if len(sizes) != len(fields.sequence(data, key, where)):
        raise ModelError(f"{where}: {key} must be whole numbers from 0")
    return sizes


def _check_tiling(tensors: dict[str, StoredTensor], data_bytes: int) -> None:
    """Check that the tensors, in order of position, start at 0, touch, and end at the end of the file."""
    position = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != position:
            raise ModelError(f"tensor {shown(name)} overlaps another or leaves a gap")
        position = tensor.end
    if position != data_bytes:
        raise ModelError(
            f"holds {data_bytes:,} bytes of tensors, its header says {position:,}; it is damaged"
        )
