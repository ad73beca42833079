"""The convolutions refuse arguments that a kernel could not handle safely."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparsesr import _native as native

H, W = 4, 6


def window(rows: int = H + 2, width: int = W, stride: int = 16, dtype: Any = np.float32) -> Any:
    return np.zeros((rows, width + 2, stride), dtype)


def packed(k: int = 3) -> native.PackedConv:
    return native.PackedConv(np.zeros((16, 16, k, k), np.float32), None, [16])


def call(**changes: Any) -> None:
    arguments: dict[str, Any] = {
        "p": packed(),
        "inputs": [(window(), -1)],
        "out": window(),
        "out_row0": -1,
        "r0": 0,
        "r1": H,
    }
    native.conv_rows(**(arguments | changes))


BAD_ROWS: dict[str, dict[str, Any]] = {
    "must be float32": {"inputs": [(window(dtype=np.float64), -1)]},
    "3 dimensions": {"out": np.zeros((4, 8), np.float32)},
    "C-contiguous": {"out": window()[:, :, ::2]},
    "width and stride of at least 1": {"out": np.zeros((4, 2, 16), np.float32)},
    "'inputs' must be 1 windows": {"inputs": []},
    "must have width": {"inputs": [(window(width=W + 1), -1)]},
    "'inputs' has room for": {"inputs": [(window(stride=8), -1)]},
    "'out' has room for": {"out": window(stride=8)},
    r"holds rows \[0, 6\) but rows \[-1, 5\)": {"inputs": [(window(), 0)]},
    r"'inputs' holds rows \[-1, 5\) but rows \[-1, 6\)": {"r1": H + 1},
    "'out' holds rows": {"out_row0": 1},
    "not a range": {"r0": 3, "r1": 2},
    "not a range of image": {"r0": -1},
    "unknown activation": {"activation": "gelu"},
    "'threads' must be": {"threads": 0},
    "'residual' must have width": {"residual": (window(width=W + 1), -1)},
    "'accumulate' has room": {"accumulate": (window(stride=8), -1)},
    "'residual' holds rows": {"residual": (window(), 1)},
    "first row is out of range": {"inputs": [(window(), 2**40)]},
}


@pytest.mark.parametrize("message", BAD_ROWS)
def test_conv_rows__refuses(message: str) -> None:
    call()
    with pytest.raises(ValueError, match=message):
        call(**BAD_ROWS[message])


def test_conv_rows__refuses_shared_memory() -> None:
    shared = window()
    for changes in (
        {"inputs": [(shared, -1)], "out": shared},
        {"inputs": [(shared, -1)], "out": shared[1:], "out_row0": 0},
        {"residual": (shared, -1), "out": shared[:-1], "out_row0": 0, "r1": H - 1},
    ):
        with pytest.raises(ValueError, match="shares memory"):
            call(**changes)
    call(residual=(shared, -1), accumulate=(shared[1:], 0), out=shared)


def test_conv_rows__refuses_an_image_beyond_32_bit_pixel_numbers() -> None:
    with pytest.raises(ValueError, match="32 bits"):
        call(r0=2**29, r1=2**29 + 1)


def test_packed_conv__refuses() -> None:
    def weight(*shape: int) -> Any:
        return np.zeros(shape, np.float32)

    for arguments in (
        (weight(4, 4, 2, 2), None, [4]),
        (weight(4, 4, 1, 3), None, [4]),
        (weight(4, 4, 3), None, [4]),
        (weight(0, 4, 3, 3), None, [4]),
        (weight(4, 0, 3, 3), None, []),
        (weight(4, 4, 3, 3), weight(5), [4]),
        (weight(4, 4, 3, 3), weight(4, 1), [4]),
        (weight(4, 4, 3, 3), None, []),
        (weight(4, 4, 3, 3), None, [3]),
        (weight(4, 4, 3, 3), None, [5, -1]),
        (weight(4, 4, 3, 3).astype(np.float16), None, [4]),
        (weight(4, 17, 3, 3), None, [1] * 17),
    ):
        with pytest.raises(ValueError, match=r"weight|bias|splits"):
            native.PackedConv(*arguments)


@pytest.mark.parametrize("c_out", [1, 3, 24, 64])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_windows_may_lie_anywhere(isa: str, rng: np.random.Generator, dtype: str, c_out: int) -> None:
    """Pixel vectors need not be aligned: with 48 bf16 channels every other pixel starts mid-vector."""

    def moved(array: Any) -> Any:
        buffer = np.zeros(array.nbytes + 128, np.uint8)
        start = -buffer.ctypes.data % 64 + array.itemsize
        there = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        there[...] = array
        return there

    weight = rng.standard_normal((c_out, 48, 3, 3)).astype(np.float32)
    x = rng.integers(0x3F80, 0x4000, (H + 2, W + 2, 48)).astype(np.uint16)  # 1 to 2 in bf16
    maps = [x if dtype == "bf16" else (x.astype(np.uint32) << 16).view(np.float32)]
    maps += [window(stride=-(-c_out // 16) * 16) for _ in range(2)]
    results = []
    for x, out, residual in (maps, map(moved, maps)):
        p = native.PackedConv(weight, None, [48], dtype)
        call(p=p, inputs=[(x, -1)], out=out, residual=(residual, -1))
        results.append(out.copy())
    assert results[0][1:-1, 1:-1, :c_out].all()
    assert np.array_equal(*results)


def test_read_only_arrays__are_refused_as_outputs_only() -> None:
    frozen = window()
    frozen.flags.writeable = False
    call(inputs=[(frozen, -1)])
    with pytest.raises(TypeError):
        call(out=frozen)
