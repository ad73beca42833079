"""Balanced weights in model files: values under the weight's name, positions under that name and ``.positions``.

Values have the shape (outputs, blocks, keep), positions (outputs, blocks, bytes) in uint8: two to a byte, the first in
the low half, if a block has at most 16 inputs, otherwise one to a byte. At 4 of 16 both take 28 % of the dense weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsesr.errors import ModelError
from sparsesr.modelfile.balanced import Pattern, pack, unpack
from sparsesr.modelfile.json_fields import shown
from sparsesr.modelfile.operations.attributes import BALANCED, KERNEL
from sparsesr.modelfile.operations.conv2d import balance_of
from sparsesr.modelfile.safetensors_header import POSITIONS_TYPE, Header, StoredTensor
from sparsesr.modelfile.spec import Graph, Node

if TYPE_CHECKING:
    import numpy.typing as npt

    from sparsesr.modelfile.balanced import Positions

    Arrays = Mapping[str, npt.NDArray[Any]]
    Balanced = Mapping[str, tuple[Pattern, int]]

_HALF_BYTE_BLOCK = 16


def balanced_weights(graph: Graph) -> Balanced:
    """Return pattern and kernel of every tensor that a node declares balanced.

    Raises:
        ModelError: an attribute is not valid, or nodes disagree about a tensor; the line names the node.
    """
    found: dict[str, tuple[Pattern, int]] = {}
    for node in graph.nodes:
        try:
            declared = _declared(node)
        except ModelError as error:
            raise ModelError(f"node {shown(node.name)} ({shown(node.op)[1:-1]}): {error}") from None
        if declared is not None and found.setdefault(node.weights["weight"], declared) != declared:
            raise ModelError(f"tensor {shown(node.weights['weight'])} is balanced in two ways")
    return found


def _declared(node: Node) -> tuple[Pattern, int] | None:
    if BALANCED.name not in node.attrs:
        return None
    for spec in (BALANCED, KERNEL):
        problem = spec.problem(node)
        if problem:
            raise ModelError(f"attribute {spec.name} {problem}")
    pattern = balance_of(node)
    if pattern is not None and "weight" not in node.weights:
        raise ModelError("weight role weight is missing")
    return None if pattern is None else (pattern, KERNEL.of(node))


def positions_name(weight: str) -> str:
    """Name of the tensor with the positions of a balanced weight."""
    return f"{weight}.positions"


def dense_shapes(header: Header, balanced: Balanced, max_bytes: int) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor as a model holds it.

    Raises:
        ModelError: shapes or types of the stored tensors do not fit their patterns, or a weight would take more
            than ``max_bytes``.
    """
    shapes = dict(header.shapes)
    for name, (pattern, kernel) in balanced.items():
        values, positions = _pair(header, name)
        shapes[name] = _dense_shape(name, values, positions, pattern, kernel)
        if np.prod(shapes[name], dtype=object) * 4 > max_bytes:
            raise ModelError(f"tensor {shown(name)} would take more than {max_bytes:,} bytes")
        del shapes[positions_name(name)]
    packed = {positions_name(name) for name in balanced}
    stray = [n for n, t in header.tensors.items() if (t.dtype == POSITIONS_TYPE) != (n in packed)]
    if stray:
        raise ModelError(f"tensor {shown(stray[0])} is stored as {shown(header.tensors[stray[0]].dtype)}")
    return shapes


def _pair(header: Header, name: str) -> tuple[StoredTensor, StoredTensor]:
    for wanted in (name, positions_name(name)):
        if wanted not in header.tensors:
            raise ModelError(f"tensor {shown(wanted)} of a balanced weight is not in the file")
    return header.tensors[name], header.tensors[positions_name(name)]


def _dense_shape(
    name: str, values: StoredTensor, positions: StoredTensor, pattern: Pattern, kernel: int
) -> tuple[int, ...]:
    fits = len(values.shape) == 3 and values.shape[2] == pattern.keep and values.shape[1] % kernel**2 == 0
    if not fits or positions.shape != (*values.shape[:2], _bytes(pattern)):
        raise ModelError(
            f"tensor {shown(name)}: values of shape {list(values.shape)} and positions of shape"
            f" {list(positions.shape)} are not those of a {kernel}x{kernel} weight balanced {pattern}"
        )
    return values.shape[0], values.shape[1] // kernel**2 * pattern.block, kernel, kernel


def packed_tensors(tensors: Arrays, balanced: Balanced) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors as a file stores them.

    Raises:
        ModelError: a weight does not have its pattern, or its positions' name is taken.
    """
    stored = dict(tensors)
    for name, (pattern, _) in balanced.items():
        if positions_name(name) in tensors:
            raise ModelError(f"tensor {shown(positions_name(name))} has the name of a weight's positions")
        if name not in tensors:
            continue  # validation reports it
        try:
            stored[name], positions = pack(tensors[name], pattern.block, pattern.keep)
        except ModelError as error:
            raise ModelError(f"tensor {shown(name)} {error}") from None
        stored[positions_name(name)] = _narrowed(positions, pattern)
    return stored


def unpacked_tensor(name: str, tensors: Arrays, pattern: Pattern, kernel: int) -> npt.NDArray[np.float32]:
    """Return a dense weight from the stored tensors.

    Raises:
        ModelError: positions lie.
    """
    try:
        positions = _widened(tensors[positions_name(name)], pattern)
        return unpack(tensors[name].astype(np.float32), positions, pattern.block, kernel)
    except ModelError as error:
        raise ModelError(f"tensor {shown(positions_name(name))} {error}; the file is damaged") from None


def _bytes(pattern: Pattern) -> int:
    """Bytes of a block's positions."""
    return -(-pattern.keep // 2) if pattern.block <= _HALF_BYTE_BLOCK else pattern.keep


def _narrowed(positions: Positions, pattern: Pattern) -> Positions:
    if pattern.block > _HALF_BYTE_BLOCK:
        return positions
    even = np.pad(positions, ((0, 0), (0, 0), (0, pattern.keep % 2)))
    return even[..., 0::2] | even[..., 1::2] << np.uint8(4)


def _widened(stored: Positions, pattern: Pattern) -> Positions:
    if pattern.block > _HALF_BYTE_BLOCK:
        return stored
    both = np.stack([stored & np.uint8(15), stored >> np.uint8(4)], axis=-1).reshape(*stored.shape[:2], -1)
    if both[..., pattern.keep :].any():
        raise ModelError(f"has more than {pattern.keep} positions in a block")
    return both[..., : pattern.keep]
