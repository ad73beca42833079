"""Patches of several scales; the scale of a step is random and depends only on the seed and the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sparsesr.lab.data.patches import Batch, PatchSampler

_KEY = 7
"""Separates this random stream from others with the same seed and step."""


def scale_of_step(scales: Sequence[int], seed: int, step: int) -> int:
    """The scale of ``step``; all scales are equally likely."""
    return int(np.random.default_rng([seed, step, _KEY]).choice(list(scales)))


class SeveralScales:
    """One sampler per scale; each step uses one of them."""

    def __init__(self, samplers: Mapping[int, PatchSampler], seed: int) -> None:
        self._samplers, self._seed = dict(samplers), seed

    def scale_at(self, step: int) -> int:
        """The scale of ``step``."""
        return scale_of_step(list(self._samplers), self._seed, step)

    def batch_at(self, step: int) -> Batch:
        """The patches of ``step``, cut out of the mapped file of its scale."""
        return self._samplers[self.scale_at(step)].batch_at(step)
