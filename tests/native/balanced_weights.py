"""Random balanced weights for the tests and benchmarks of the native kernels."""

from __future__ import annotations

import numpy as np
from native_cases import F32


def balanced_weight(
    rng: np.random.Generator, outputs: int, inputs: int, kernel: int, keep: int, block: int = 16
) -> F32:
    """A weight (outputs, inputs, kernel, kernel) with ``keep`` nonzero values in every block, at random positions."""
    shape = (outputs, inputs // block, block, kernel, kernel)
    order = rng.random(shape).argsort(axis=2).argsort(axis=2)
    values = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape) / (keep * inputs / block) ** 0.5
    return np.where(order < keep, values, 0).reshape(outputs, inputs, kernel, kernel).astype(np.float32)
