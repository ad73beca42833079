"""A changed block of a frame affects only its halo: recomputing both gives the bits of the whole frame."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.random_graphs import random_image, residual_blocks
from sparsesr.modelfile.padding import padding_of
from sparsesr.modelfile.validation import type_graph
from sparsesr.runtime.graph.receptive_field import halo_px, sees_whole_image
from sparsesr.runtime.session import Session

MODEL = residual_blocks()
HALO = halo_px(MODEL)
SCALE, BLOCK = MODEL.facts.scale, 32
HEIGHT, WIDTH = 160, 180


def around(start: int, size: int, halo: int, limit: int) -> slice:
    """The block and its halo within the frame, aligned to the multiple that the network pads to."""
    typed = type_graph(MODEL.graph, {name: tensor.shape for name, tensor in MODEL.tensors.items()})
    multiple, _ = padding_of(MODEL.facts, typed).size(1, 1)
    first = max(0, start - halo) // multiple * multiple
    return slice(first, min(limit, -(-(start + size + halo) // multiple) * multiple))


def upscaled(part: slice, origin: int = 0) -> slice:
    return slice(SCALE * (part.start - origin), SCALE * (part.stop - origin))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("top", "left"), [(64, 70), (0, 0), (128, 148), (65, 1)])
def test_a_changed_block_and_its_halo_give_the_bits_of_the_whole_frame(top, left, precision):
    assert not sees_whole_image(MODEL.graph)
    session = Session(MODEL, 2, precision, emulate=True)
    before = random_image(HEIGHT, WIDTH, np.uint8, seed=top)
    after = before.copy()
    after[top : top + BLOCK, left : left + BLOCK] = random_image(BLOCK, BLOCK, np.uint8, seed=99)
    old, new = (session.run(frame, out_dtype=np.float32).image for frame in (before, after))

    changed = around(top, BLOCK, HALO, HEIGHT), around(left, BLOCK, HALO, WIDTH)
    read = around(top, BLOCK, 2 * HALO, HEIGHT), around(left, BLOCK, 2 * HALO, WIDTH)
    part = session.run(np.ascontiguousarray(after[read]), out_dtype=np.float32, band_rows=6).image
    inner = tuple(upscaled(c, r.start) for c, r in zip(changed, read, strict=True))
    patched = old.copy()
    patched[tuple(map(upscaled, changed))] = part[inner]
    assert not np.array_equal(old, new)
    np.testing.assert_array_equal(patched, new)
