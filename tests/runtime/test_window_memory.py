"""Memory of a run's windows."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from sparsesr import _native
from sparsesr.runtime.backend.native.layout import NATIVE_LAYOUT
from sparsesr.runtime.backend.native.window import Reached, Window, windows_of_zeros
from sparsesr.runtime.plan.map_layout import Shape
from sparsesr.runtime.plan.place import Place


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


def test_rows_move_only_when_a_window_is_full():
    """To its start, and then the row above the image is gone."""
    window = Window(np.arange(1, 11, dtype=np.float32).reshape(10, 1, 1), Place(0, False, 100))
    firsts = []
    for end in range(3, 16, 3):
        window.make_room(end - 5, end, {}, 1)
        firsts.append(window.placed[1])
    assert firsts == [-1, -1, 4, 4, 10]
    window = Window(np.arange(1, 11, dtype=np.float32).reshape(10, 1, 1), Place(0, False, 8))
    window.make_room(-1, 8, {}, 1)
    window.finish()
    assert (window.placed[1], window.array[9, 0, 0]) == (-1, 0), "room for the row below the image"


def test_a_window_of_several_maps_moves_the_pixels_of_all() -> None:
    """Those of the longest reach, or all where maps have different masks or one has values everywhere."""
    one, other = (_native.PixelMask(8, 3) for _ in range(2))
    for mask in (one, other):
        mask.fill(np.zeros((8, 1), np.uint64))
    cases: dict[tuple[Reached | None, ...], bool] = {
        (Reached("one", 1), Reached("one", 2)): False,
        (Reached("one", 1), Reached("other", 1)): True,
        (Reached("one", 1), None): True,
    }
    for parts, are_all_moved in cases.items():
        window = Window(np.ones((4, 5, 1), np.float32), Place(0, False, 8))
        window.written = {str(number): part for number, part in enumerate(parts)}
        window.make_room(-1, 2, {}, 1)
        window.array[1:3] = 7
        window.make_room(1, 5, {"one": one, "other": other}, 1)
        assert (window.array[0, 1:-1] == 7).all() == are_all_moved


class AllocatorUse(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def allocated_bytes() -> int:
    """Bytes that this process has allocated in C and C++."""
    mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo2 is None:
        pytest.skip("needs glibc 2.33")
    mallinfo2.restype = AllocatorUse
    use = mallinfo2()
    return use.uordblks + use.hblkhd


@pytest.mark.parametrize("size", [(40_000, 1), (9000, 3), (3000, 65), (1000, 1000), (1, 100_000)])
def test_masks_take_what_plans_promise(size):
    before = allocated_bytes()
    mask = _native.PixelMask(*size)
    found = allocated_bytes() - before
    if found == 0:
        pytest.skip("another allocator is in use")
    assert mask.rows == 0
    assert found == pytest.approx(NATIVE_LAYOUT.mask_bytes(*size), rel=0.02)
