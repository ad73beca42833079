"""Memory of a run's windows."""

from __future__ import annotations

import numpy as np

from sparsesr.runtime.backend.native.window import windows_of_zeros
from sparsesr.runtime.plan.map_layout import Shape


def test_windows_start_at_cache_lines_and_do_not_overlap():
    shapes = [Shape(3, 5, 16, 4), Shape(2, 7, 16, 2), Shape(4, 3, 4, 4)]
    windows = windows_of_zeros(shapes)
    assert [window.shape for window in windows] == [(3, 5, 16), (2, 7, 16), (4, 3, 4)]
    assert [window.dtype for window in windows] == [np.float32, np.uint16, np.float32]
    for value, window in enumerate(windows, 1):
        assert window.ctypes.data % 64 == 0 and not window.any()
        window[...] = value
    for value, window in enumerate(windows, 1):
        assert (window == value).all()


def test_windows_of_a_run_are_contiguous():
    """One block is large enough for huge pages."""
    windows = windows_of_zeros([Shape(3, 5, 16, 4)] * 3)
    starts = [window.ctypes.data for window in windows]
    assert np.diff(starts).tolist() == [windows[0].nbytes] * 2
    assert windows_of_zeros([]) == []
