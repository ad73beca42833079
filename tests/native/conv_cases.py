"""Convolutions that are tested and timed: `test_conv_cases.py` and `benchmarks/kernels.py` run the same cases.

`random` masks are the hardest case for caches; `edges` are thin curves, like learned masks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from balanced_weights import balanced_weight
from bf16_maps import assert_rounded, from_bf16, stored, to_bf16
from int8_maps import SIGNED, Steps, activated, exact_sums, meant, narrowed, quantised, window_of
from native_cases import F32, Map, conv_at, conv_reference, make_window, stride_of
from numpy.typing import NDArray

from sparsesr import _native as native

Mask = NDArray[np.bool_]
_LINE_BYTES = 64
_HUGE_PAGES_FROM_BYTES = 1 << 22
OUT_STEPS = Steps(0.02, 0)
DENSITIES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.99, 1.0)


@dataclass(frozen=True)
class ConvCase:
    """A layer and the pixels at which it is computed."""

    splits: tuple[int, ...]
    c_out: int
    kernel: int = 3
    mask: str = "dense"
    """``dense``: whole rows; ``random`` or ``edges``: a share ``density`` of the pixels."""
    density: float = 1.0
    keep: int = 0
    """Weights kept of every 16 inputs, for balanced weights; 0: dense."""

    def with_keep(self, keep: int) -> ConvCase:
        """The case with balanced weights."""
        return replace(self, keep=keep)

    @property
    def layer(self) -> str:
        """For example ``3x3 64->64``."""
        return f"{self.kernel}x{self.kernel} {'+'.join(map(str, self.splits))}->{self.c_out}"

    def flops(self, pixels: int) -> float:
        """Two per multiply-add, counting active pixels and weights kept only."""
        kept = self.keep / 16 if self.keep else 1.0
        return 2.0 * sum(self.splits) * kept * self.c_out * self.kernel**2 * pixels


MAIN = [ConvCase((64,), 64), ConvCase((32,), 32)]
SHAPES = [
    *[ConvCase((c_in,), c_out) for c_in, c_out in ((3, 64), (64, 3), (64, 12), (64, 16), (16, 16), (64, 27))],
    *[
        ConvCase((c_in,), c_out)
        for c_in, c_out in ((64, 32), (64, 48), (48, 48), (24, 9), (64, 256), (16, 64))
    ],
    *[ConvCase(splits, 64, 1) for splits in ((64,), (64,) * 4, (64,) * 5)],
    *[ConvCase(splits, 32, 1) for splits in ((32,), (32,) * 4, (48, 16))],
]


def masked(case: ConvCase) -> list[ConvCase]:
    """The layer with masks of every density."""
    return [
        ConvCase(case.splits, case.c_out, case.kernel, mask, density)
        for mask in ("edges", "random")
        for density in DENSITIES
    ]


BALANCED = [
    ConvCase(splits, 64, kernel, mask, density, keep)
    for splits, kernel in (((64,), 3), ((32,), 3), ((64,) * 4, 1))
    for mask, density in (("dense", 1.0), ("edges", 0.4), ("random", 0.01))
    for keep in (2, 4)
]
CASES = [*MAIN, *[under for case in MAIN for under in masked(case)], *SHAPES, *BALANCED]


def _lowest(values: NDArray[np.float64], density: float) -> Mask:
    """Mask of the lowest values, with this density."""
    order = np.argsort(values, axis=None)
    mask = np.zeros(values.size, np.bool_)
    mask[order[: round(density * values.size)]] = True
    return mask.reshape(values.shape)


def make_mask(rng: np.random.Generator, case: ConvCase, height: int, width: int) -> Mask:
    """Mask of the pixels at which the case computes."""
    noise = rng.standard_normal((height, width))
    if case.mask != "edges":
        return _lowest(noise, case.density)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((frequency * 20) ** 2))).real
    return _lowest(np.abs(smooth), case.density)


def in_large_memory(values: Map) -> Map:
    """A copy in memory like that of a real run: a block large enough for numpy to request huge pages."""
    memory = np.zeros(max(values.nbytes, _HUGE_PAGES_FROM_BYTES) + _LINE_BYTES, np.uint8)
    start = -memory.ctypes.data % _LINE_BYTES
    copy = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


class BuiltConv:
    """A case with weights, maps and a mask. ``dtype`` applies to all maps.

    ``place`` moves the maps in memory; by default, inputs end at guard pages.
    """

    def __init__(
        self,
        case: ConvCase,
        dtype: str,
        height: int,
        width: int,
        place: Callable[[Map], Map] = lambda values: values,
    ) -> None:
        rng = np.random.default_rng(1)
        self.case, self.dtype, self.height = case, dtype, height
        c_in = sum(case.splits)
        shape = (case.c_out, c_in, case.kernel, case.kernel)
        self.weight: F32 = (rng.standard_normal(shape) / (c_in**0.5 * case.kernel)).astype(np.float32)
        if case.keep:
            self.weight = balanced_weight(rng, case.c_out, c_in, case.kernel, case.keep)
        self.bias: F32 = rng.standard_normal(case.c_out).astype(np.float32)
        self.maps = [
            self._rounded(rng.standard_normal((height, width, c)).astype(np.float32)) for c in case.splits
        ]
        self.weight = self.weight if dtype == "u8" else self._rounded(self.weight)
        self.active = make_mask(rng, case, height, width)
        self.out = place(self._stored(np.zeros((height, width + 2, stride_of(case.c_out)), np.float32)))
        self._inputs = [(place(self._window(values)), -1) for values in self.maps]
        steps = [SIGNED] * len(case.splits) if dtype == "u8" else []
        self._packed = native.PackedConv(self.weight, self.bias, case.splits, dtype, steps)
        self.run = self._dense() if case.mask == "dense" else self._masked()

    def _stored(self, values: F32) -> Map:
        if self.dtype == "u8":
            return np.zeros(values.shape, np.uint8)
        return stored(values, self.dtype)

    def _window(self, values: F32) -> Map:
        if self.dtype == "u8":
            return window_of(quantised(values, SIGNED), SIGNED)
        return self._stored(make_window(values))

    def _rounded(self, values: F32) -> F32:
        if self.dtype == "u8":
            return meant(quantised(values, SIGNED), SIGNED)
        return from_bf16(to_bf16(values)) if self.dtype == "bf16" else values

    def _dense(self) -> Callable[[int], None]:
        return lambda threads: native.conv_rows(
            self._packed,
            self._inputs,
            self.out,
            0,
            0,
            self.height,
            "relu",
            threads=threads,
            out_steps=self._out_steps,
        )

    def _masked(self) -> Callable[[int], None]:
        return conv_at(self._packed, self._inputs, self.out, self.active, "relu", out_steps=self._out_steps)

    @property
    def _out_steps(self) -> tuple[float, int] | None:
        return OUT_STEPS if self.dtype == "u8" else None

    @property
    def flops(self) -> float:
        """Floating-point operations of one run."""
        return self.case.flops(int(self.active.sum()))

    def assert_right(self) -> None:
        """The last run wrote the convolution at active pixels and nothing elsewhere."""
        assert not self.out[:, 1:-1][~self.active].any()
        assert not self.out[:, [0, -1]].any()
        assert not self.out[:, :, self.case.c_out :].any()
        if self.dtype == "u8":
            return self._assert_exact()
        total, magnitude = conv_reference(np.concatenate(self.maps, axis=2), self.weight, self.bias)
        found = self.out[:, 1:-1, : self.case.c_out]
        found = from_bf16(np.ascontiguousarray(found)) if self.dtype == "bf16" else found
        expected = np.maximum(total, 0)
        assert_rounded(found[self.active], expected[self.active], magnitude[self.active], self.dtype)

    def _assert_exact(self) -> None:
        maps = [quantised(values, SIGNED) for values in self.maps]
        sums = exact_sums(maps, self.weight, self.bias, [SIGNED] * len(maps), OUT_STEPS)
        expected = narrowed(activated(sums, "relu"), OUT_STEPS)
        assert np.array_equal(self.out[:, 1:-1, : self.case.c_out][self.active], expected[self.active])
