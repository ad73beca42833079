"""Patches of several scales: the scale of a step is drawn, and depends on the seed and the step alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sparsesr.lab.data.patches import Batch, PatchSampler

_KEY = 7
"""Keeps the draw of scales apart from other draws with the same seed and step."""


class SeveralScales:
    """A sampler for each scale; every step is one scale's."""

    def __init__(self, samplers: Mapping[int, PatchSampler], seed: int) -> None:
        self._samplers, self._seed = dict(samplers), seed

    def scale_at(self, step: int) -> int:
        """The scale of that step, all equally likely."""
        scales = list(self._samplers)
        return int(np.random.default_rng([self._seed, step, _KEY]).choice(scales))

    def batch_at(self, step: int) -> Batch:
        """The patches of that step, cut out of the mapped file of its scale."""
        return self._samplers[self.scale_at(step)].batch_at(step)
