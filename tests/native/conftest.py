"""Fixtures for the tests of the native kernels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

native = pytest.importorskip("sparsesr._native", reason="the native module is not built")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture(params=native.cpu_features())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test with each instruction set available here."""
    native.set_cpu(request.param)
    yield request.param
    native.set_cpu(None)
