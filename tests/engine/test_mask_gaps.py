"""Gaps of the first mask, compared with the masks of whole runs."""

from __future__ import annotations

import numpy as np
import pytest

from sparsesr.engine.mask_gaps import MaskGaps
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.arguments import EFFORT_RANGE
from sparsesr.runtime.session import Session
from support.tiny_models import photo, tiny


@pytest.mark.parametrize("name", ["tiny", "skim_fast_x2", "smsr_s_x2"])
@pytest.mark.parametrize("size", [(40, 52), (21, 33)])
def test_a_pixel_is_active_if_its_gap_exceeds_the_shift_of_the_effort(name, size):
    model, image = tiny() if name == "tiny" else load(name), photo(*size)
    session, gaps = Session(model, 1), MaskGaps(model, 1)(image)
    assert gaps.shape == size and gaps.dtype == np.float32
    for effort in (0.0, 0.4, 0.5, 0.7, 1.0):
        first = session.run(image, effort=effort, keep_masks=True).masks[0]
        threshold = -EFFORT_RANGE * (effort - 0.5)
        sure = np.abs(gaps - threshold) > 1e-4
        assert sure.mean() > 0.95
        assert np.array_equal(first[sure], (gaps > threshold)[sure])


def test_precisions_that_the_head_does_not_support_are_left_alone():
    image, model = photo(30, 30), load("skim_fast_x2")
    assert np.array_equal(MaskGaps(model, 1, "int8")(image), MaskGaps(model, 1)(image))
