"""Arrays with an inaccessible page on either side: touching it ends the process."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_libc = ctypes.CDLL(None, use_errno=True)
_NO_ACCESS = 0  # PROT_NONE


def guarded(shape: tuple[int, ...], dtype: DTypeLike = np.float32, *, at_start: bool = False) -> NDArray[Any]:
    """Zeros that end at a guard page or, with ``at_start``, start right after one.

    This also catches masked vector stores, which sanitizers do not see.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    usable = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, usable + 2 * mmap.PAGESIZE)
    first = mmap.PAGESIZE if at_start else mmap.PAGESIZE + usable - size
    array = np.frombuffer(memory, dtype, int(np.prod(shape)), first).reshape(shape)  # keeps `memory` alive
    start = array.ctypes.data - first
    for page in (start, start + mmap.PAGESIZE + usable):
        if _libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), _NO_ACCESS) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    return array


def guarded_copy(values: NDArray[Any], *, at_start: bool = False) -> NDArray[Any]:
    """A copy between guard pages."""
    array = guarded(values.shape, values.dtype, at_start=at_start)
    array[...] = values
    return array
