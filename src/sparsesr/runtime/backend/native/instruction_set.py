"""Forcing the kernels of an instruction set for a while."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sparsesr import _native


@contextmanager
def scalar_kernels() -> Generator[None, None, None]:
    """Inside the block this thread runs the plain kernels, which define every operation.

    Sessions that have run before keep their packed weights and with them their convolution kernels.
    """
    before = _native.set_cpu("scalar")
    try:
        yield
    finally:
        _native.set_cpu(before)
