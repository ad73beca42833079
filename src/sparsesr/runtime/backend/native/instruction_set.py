"""Temporary choice of the kernels' instruction set."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sparsesr import _native


@contextmanager
def scalar_kernels() -> Generator[None, None, None]:
    """Run the plain kernels, which define every operation, in this thread within the block.

    Sessions that have already run keep their packed weights and thus their convolution kernels.
    """
    before = _native.set_cpu("scalar")
    try:
        yield
    finally:
        _native.set_cpu(before)
