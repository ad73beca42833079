"""Pixels within reach of active ones, and the convolution in one of the others."""

from __future__ import annotations

import numpy as np
import pytest
from guard_pages import guarded, guarded_copy
from native_cases import Guarded, assert_close, conv_reference, make_window, mask_of, masks, stride_of

from sparsesr import _native as native
from sparsesr.runtime.pixel_sets import pixel_set

SIZES = [(1, 1), (2, 2), (1, 70), (9, 3), (7, 64), (6, 150)]


def grown(active_hw: np.ndarray, reach: int) -> np.ndarray:
    h, w = active_hw.shape
    around, side = np.pad(active_hw, reach), 2 * reach + 1
    return np.any([around[y : y + h, x : x + w] for y in range(side) for x in range(side)], axis=0)


@pytest.mark.parametrize(("h", "w"), SIZES)
@pytest.mark.parametrize("reach", [0, 1, 2, 5])
def test_count(rng: np.random.Generator, h: int, w: int, reach: int) -> None:
    for active in masks(rng, h, w):
        assert native.count_reached(mask_of(active), reach) == grown(active, reach).sum()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_convolution_at_reached_pixels(isa: str, rng: np.random.Generator, threads: int) -> None:
    h, w = 9, 70
    packed = native.PackedConv(rng.standard_normal((16, 16, 3, 3)).astype(np.float32), None, [16])
    x = make_window(rng.standard_normal((h, w, 16)).astype(np.float32))
    everywhere = np.zeros((h, w + 2, 16), np.float32)
    native.conv_rows(packed, [(x, -1)], everywhere, 0, 0, h)
    listed = rng.random((h, w)) < 0.5
    for active in masks(rng, h, w):
        near = grown(active, 2)
        for pixels, expected in (
            (None, near),
            (native.PixelList(pixel_set(listed), w), near & listed),
        ):
            out = Guarded.make(h, w, 16)
            reached = (mask_of(active), 2)
            for r0, r1 in ((0, 4), (4, h)):
                native.conv_rows(
                    packed, [(x, -1)], out.window, 0, r0, r1, pixels=pixels, reached=reached, threads=threads
                )
            out.assert_only_written(expected)
            assert np.array_equal(out.inside()[expected], everywhere[:, 1:-1][expected])


def two_convolutions(image_hwc: np.ndarray, weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    first, first_bias, second, second_bias = weights
    features, _ = conv_reference(image_hwc, first, first_bias)
    _, magnitude = conv_reference(np.abs(image_hwc), np.abs(first), np.abs(first_bias))
    result, _ = conv_reference(features, second, second_bias)
    return result, conv_reference(magnitude, np.abs(second), np.abs(second_bias))[1]


def random_weights(rng: np.random.Generator, hidden: int, outputs: int) -> list[np.ndarray]:
    shapes = [(hidden, 3, 3, 3), (hidden,), (outputs, hidden, 3, 3), (outputs,)]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize(("h", "w"), SIZES)
@pytest.mark.parametrize("outputs", [1, 12, 27, 48])
def test_folded_convolutions(isa: str, rng: np.random.Generator, h: int, w: int, outputs: int) -> None:
    weights = random_weights(rng, 8, outputs)
    convs = native.FoldedConvs(*map(guarded_copy, weights))
    image_hwc = rng.random((h, w, 3)).astype(np.float32)
    expected, magnitude = two_convolutions(image_hwc, weights)
    image = guarded_copy(make_window(image_hwc, 4)[1:-1])
    listed = rng.random((h, w)) < 0.5
    for active in masks(rng, h, w):
        for wanted in (None, listed):
            out = guarded((h, w + 2, stride_of(outputs)))
            words = None if wanted is None else pixel_set(wanted)
            for r0 in range(h):
                native.folded_convs_rows(
                    convs, image, 0, h, mask_of(active), 1, words, out, 0, r0, r0 + 1, threads=2
                )
            computed = ~grown(active, 1) & (True if wanted is None else wanted)
            assert_close(out[:, 1:-1, :outputs][computed], expected[computed], magnitude[computed])
            assert not out[:, [0, -1]].any(), "borders stay zero"


def test_folded_convolutions__bits_do_not_depend_on_the_pixels_around(
    isa: str, rng: np.random.Generator
) -> None:
    h, w = 3, 140
    convs = native.FoldedConvs(*random_weights(rng, 8, 12))
    image = make_window(rng.random((h, w, 3)).astype(np.float32), 4)[1:-1]
    results = []
    for density in (0.0, 0.05, 0.2):
        active = rng.random((h, w)) < density
        out = np.zeros((h, w + 2, 16), np.float32)
        native.folded_convs_rows(convs, image, 0, h, mask_of(active), 1, None, out, 0, 0, h)
        results.append((out[:, 1:-1], ~grown(active, 1)))
    for out, computed in results:
        assert np.array_equal(out[computed], results[0][0][computed])


def test_folded_convolutions__refuse_invalid_arguments(rng: np.random.Generator) -> None:
    weights = random_weights(rng, 8, 12)
    for index, bad in (
        (0, np.zeros((8, 4, 3, 3), np.float32)),
        (1, np.zeros(7, np.float32)),
        (2, np.zeros((12, 7, 3, 3), np.float32)),
        (2, np.zeros((12, 8, 1, 1), np.float32)),
        (3, np.zeros(11, np.float32)),
        (0, weights[0].astype(np.float64)),
    ):
        with pytest.raises(ValueError, match=r"."):
            native.FoldedConvs(*weights[:index], bad, *weights[index + 1 :])
    convs, mask = native.FoldedConvs(*weights), mask_of(np.zeros((4, 6), bool))
    partial = native.PixelMask(4, 6)
    partial.grow(make_window(np.zeros((4, 6, 2), np.float32)), -1, 2, 0.0)
    image, out = np.zeros((4, 8, 4), np.float32), np.zeros((4, 8, 16), np.float32)
    good = {
        "convs": convs, "image": image, "image_row0": 0, "height": 4, "mask": mask, "reach": 1, "wanted": None,
        "out": out, "out_row0": 0, "r0": 0, "r1": 4,
    }  # fmt: skip
    native.folded_convs_rows(**good)
    for change in (
        {"image": image[:, 1:]},
        {"image": np.zeros((4, 8, 16), np.float32)},
        {"image_row0": 1},
        {"height": 5},
        {"mask": partial},
        {"mask": mask_of(np.zeros((4, 7), bool))},
        {"reach": -1},
        {"reach": 9},
        {"wanted": np.zeros((3, 1), np.uint64)},
        {"wanted": np.full((4, 1), 1 << 50, np.uint64)},
        {"out": np.zeros((4, 8, 8), np.float32)},
        {"out": image},
        {"r1": 5},
        {"r0": -1},
        {"threads": 0},
    ):
        with pytest.raises(ValueError, match=r"."):
            native.folded_convs_rows(**(good | change))
    with pytest.raises(ValueError, match="rows so far"):
        native.conv_rows(
            native.PackedConv(np.ones((16, 16, 1, 1), np.float32), None, [16]),
            [(np.zeros((4, 8, 16), np.float32), 0)], np.zeros((4, 8, 16), np.float32), 0, 0, 2,
            reached=(partial, 1),
        )  # fmt: skip
