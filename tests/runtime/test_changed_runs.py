"""A run on what has changed gives the bits of a run on the whole image, and touches nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import needs_bf16
from sparsesr.errors import CancelledError, UsageError
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.changed_run import KeptResult
from sparsesr.runtime.graph.changed_parts import changed_parts
from sparsesr.runtime.graph.prepared import prepare
from sparsesr.runtime.plan.planner import PlanOptions
from sparsesr.runtime.session import Session
from support.tiny_models import photo, tiny

MODEL = load("skim_fast_x2")
SIZE = 84, 140
PRECISIONS = ["fp32", pytest.param("bf16", marks=needs_bf16), "int8"]


def kept_of(session: Session, image: np.ndarray, **options) -> KeptResult:
    run = session.run(image, keep_masks=True, **options)
    assert run.masks is not None
    return KeptResult(run.image, run.masks[0])


def scattered(rng: np.random.Generator, size=SIZE) -> np.ndarray:
    """A few pixels and a rectangle."""
    flags = rng.random(size) < rng.choice([0, 0.001, 0.02])
    top, left = rng.integers(size[0]), rng.integers(size[1])
    flags[top : top + rng.integers(1, 20), left : left + rng.integers(1, 20)] = True
    return flags


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("options", [{}, {"effort": 0.8}, {"low_memory": True}], ids=str)
def test_changes_one_after_another(precision, dtype, options):
    session = Session(MODEL, 2, precision, emulate=True)
    rng = np.random.default_rng(3)
    image, other = photo(*SIZE, dtype), photo(*SIZE, dtype, seed=9)
    kept = kept_of(session, image, **options)
    for _ in range(6):
        changed, before = scattered(rng), kept.image.copy()
        image = np.where(changed[..., None], other, image)
        other = np.roll(other, 7, axis=0)
        run = session.run_changed(image, changed, kept, **options)
        whole = session.run(image, keep_masks=True, **options)
        np.testing.assert_array_equal(kept.image, whole.image)
        np.testing.assert_array_equal(kept.mask, whole.masks[0])
        told = run.result.repeat(2, axis=0).repeat(2, axis=1)
        assert not ((kept.image != before).any(axis=2) & ~told).any()
        assert changed.sum() <= run.computed_px <= changed.size


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 40), width=st.integers(1, 80))
def test_any_size_without_padding(seed, height, width):
    session = Session(MODEL, 1)
    rng, size = np.random.default_rng(seed), (2 * height, 2 * width)
    image = photo(*size, "uint8")
    kept = kept_of(session, image)
    changed = scattered(rng, size)
    image = np.where(changed[..., None], 255 - image, image)
    session.run_changed(image, changed, kept)
    np.testing.assert_array_equal(kept.image, session.run(image).image)


def test_a_flat_area_takes_fewer_pixels_than_the_receptive_field():
    """Nothing is active there, so nothing spreads."""
    session = Session(MODEL, 1)
    image = np.full((*SIZE, 3), 120, np.uint8)
    kept = kept_of(session, image)
    changed = np.zeros(SIZE, bool)
    changed[40, 70] = True
    image[40, 70] += 1
    run = session.run_changed(image, changed, kept)
    np.testing.assert_array_equal(kept.image, session.run(image).image)
    assert run.computed_px < 25**2 < (1 + 2 * 29) ** 2


def test_what_is_not_computed_may_hold_any_value():
    """Buffers keep what earlier runs left in them."""
    session = Session(MODEL, 1)
    image = photo(*SIZE)
    kept = kept_of(session, image)
    changed = np.zeros(SIZE, bool)
    changed[30:40, 50:60] = True
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    other = kept_of(session, noise)
    session.run_changed(noise, np.ones(SIZE, bool), other)
    image = np.where(changed[..., None], noise, image)
    session.run_changed(image, changed, kept)
    np.testing.assert_array_equal(kept.image, session.run(image).image)


def test_other_networks_and_padded_sizes_are_refused():
    odd = np.zeros((21, 20, 3), np.uint8)
    for session, image in ((Session(MODEL, 1), odd), (Session(tiny(), 1), odd[:20])):
        size = image.shape[:2]
        assert not session.computes_parts(*size)
        with pytest.raises(UsageError, match="in parts"):
            session.run_changed(image, np.ones(size, bool), kept_of(session, image))
    assert changed_parts(prepare(tiny())[0].typed, tiny().graph.output) is None


def test_a_run_can_be_cancelled():
    session = Session(MODEL, 1)
    image = photo(*SIZE)
    kept = kept_of(session, image)
    with pytest.raises(CancelledError):
        session.run_changed(image, np.ones(SIZE, bool), kept, cancelled=lambda: True)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("low_memory", [False, True])
def test_it_needs_hardly_more_buffers_than_a_whole_run(precision, low_memory):
    planner = Session(MODEL, 1, precision, emulate=True)._planner
    for size in ((720, 1280), (96, 128)):
        whole, parts = (
            planner.buffer_bytes(planner.grid(*size), PlanOptions(low_memory=low_memory, masks_first=first))
            for first in (False, True)
        )
        assert parts <= whole + 14 * size[0] * size[1], "less than what is reserved for parts of frames"
