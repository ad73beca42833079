"""A session runs on any backend that implements the interface."""

from __future__ import annotations

import numpy as np

from graphs import smsr
from runtime.random_graphs import random_image
from sparsesr.runtime.backend.native.backend import NativeBackend
from sparsesr.runtime.session import Session


class RecordingBackend(NativeBackend):
    """Records the arenas and layers that a session requests."""

    def __init__(self):
        self.layers, self.arenas = [], 0

    def make_arena(self, plan):
        self.arenas += 1
        return super().make_arena(plan)

    def make_layer(self, entry, tensors, dtype, zeros, copy):
        self.layers.append(entry.node.output)
        return super().make_layer(entry, tensors, dtype, zeros, copy)


def test_every_layer_and_buffer_comes_from_the_backend():
    model, image = smsr(16, modules=2, layers=2), random_image(20, 24)
    backend = RecordingBackend()
    session = Session(model, 1, backend=backend)
    for _ in range(2):
        result = session.run(image, keep_masks=True)
    expected = Session(model, 1).run(image, keep_masks=True)
    np.testing.assert_array_equal(result.image, expected.image)
    np.testing.assert_array_equal(result.masks, expected.masks)
    assert backend.arenas == 1
    with_others = {
        "upsampled",
        "body.0.mask.5",
        "body.1.mask.5",
    }  # computed with the output, and with the masks
    assert sorted(backend.layers) == sorted({node.output for node in model.graph.nodes} - with_others)
