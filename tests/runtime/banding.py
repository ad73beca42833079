"""Checks that bands, threads and windows change no bit, and of the memory that runs take; shared by all precisions."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import strategies as st

from runtime.random_graphs import random_image
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.runtime.plan.execution_plan import make_execution_plan
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.planner import PlanOptions
from sparsesr.runtime.session import Session

WAYS_TO_RUN = {
    "height": st.integers(1, 48),
    "width": st.integers(1, 24),
    "band_rows": st.integers(1, 50),
    "low_memory": st.booleans(),
    "dense": st.booleans(),
}


def check_same_bits(one: Session, other: Session, height: int, width: int, dense: bool, **banded) -> None:
    """The image in one band, and in bands by another session: result, masks and attention vectors are equal."""
    image = random_image(height, width, np.uint16, seed=height)
    given = {"out_dtype": np.float32, "dense": dense, "keep_masks": True}
    whole, cut = one.run(image, band_rows=height, **given), other.run(image, **banded, **given)
    np.testing.assert_array_equal(cut.image, whole.image)
    assert cut.stats.densities == whole.stats.densities
    for own, theirs in zip(cut.masks or [], whole.masks or [], strict=True):
        np.testing.assert_array_equal(own, theirs)
    for name, vector in whole.attention.items():
        np.testing.assert_array_equal(cut.attention[name], vector)


def check_peak_is_allocated(session: Session, low_memory: bool) -> None:
    """A run allocates what `peak_bytes` says. Attention, whose time is quadratic, gets a small image."""
    has_attention = any(operation_of(node).attends_across_pixels for node in session.model.graph.nodes)
    height, width = (100, 80) if has_attention else (400, 250)
    image = random_image(height, width, np.uint8)
    session.run(image[:8, :8])
    promised = session.peak_bytes(height, width, np.uint8, np.float32, low_memory)
    planner = session._planner
    grid = planner.grid(height, width)
    masks = planner.plan(grid, PlanOptions(low_memory=low_memory)).masks
    tracemalloc.start()
    session.run(image, out_dtype=np.float32, low_memory=low_memory)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    peak += masks * planner.layout.mask_bytes(
        grid.height, grid.width
    )  # allocated by native code, which is not traced
    assert 0.95 * promised <= peak <= 1.1 * promised


def check_peak_without_full_plan(session: Session, low_memory: bool) -> None:
    """The peak of a tall image, computed from the plan of a lower one, equals that of the full plan."""
    height, width = 1804, 600
    grid = Grid(height, width, session.model.facts.scale)
    planner = session._planner
    rows, form = planner.default_band_rows(grid), planner.masked
    plan = make_execution_plan(form.typed, grid, rows, low_memory, planner.layout, form.types)
    result = 3 * grid.scale**2 * height * width
    assert session.peak_bytes(height, width, low_memory=low_memory) == plan.nbytes + result
