from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsesr.image.decode import decode
from sparsesr.image.metrics import psnr, rgb_to_y
from sparsesr.image.resize import imresize


def load(path: Path, scale: int = 1) -> np.ndarray:
    image = decode(path).rgb
    height, width = image.shape[:2]
    return image[: height // scale * scale, : width // scale * scale]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    ("name", "suffix", "edge"), [("Set5", "", "clamp"), ("Set5", "_std", "mirror"), ("Set14", "", "clamp")]
)
def test_low_resolution_images_are_reproduced_exactly(benchmarks_dir, name, suffix, edge, scale):
    paths = sorted((benchmarks_dir / name / "HR").glob("*.png"))
    assert len(paths) == {"Set5": 5, "Set14": 14}[name]
    for path in paths:
        stored = load(benchmarks_dir / name / f"LRx{scale}{suffix}" / path.name)
        np.testing.assert_array_equal(
            imresize(load(path, scale), Fraction(1, scale), edge), stored, path.name
        )


@pytest.mark.parametrize(("scale", "expected"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_published_psnr_of_bicubic_on_set5(benchmarks_dir, scale, expected):
    """The protocol of the literature: 8-bit luma is downscaled to 8 bits and upscaled without rounding."""
    values = []
    for path in sorted((benchmarks_dir / "Set5" / "HR").glob("*.png")):
        luma = np.floor(rgb_to_y(load(path, scale)) + 0.5).astype(np.uint8)
        small = imresize(luma, Fraction(1, scale))
        values.append(psnr(imresize(small.astype(np.float64), scale), luma, shave=scale))
    assert np.mean(values) == pytest.approx(expected, abs=0.005)


SIZES = st.integers(1, 24)
SCALES = st.sampled_from(
    [Fraction(1, 4), Fraction(1, 3), Fraction(2, 5), Fraction(1, 2), Fraction(3, 2), 1, 2, 3, 4]
)
EDGES = st.sampled_from(["mirror", "clamp"])


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, SCALES, EDGES, st.sampled_from([np.uint8, np.uint16]), st.integers(0, 255))
def test_constant_stays_constant_and_size_is_rounded_up(height, width, scale, edge, dtype, value):
    out = imresize(np.full((height, width, 3), value, dtype), scale, edge)
    assert out.shape == (math.ceil(height * scale), math.ceil(width * scale), 3)
    assert out.dtype == dtype
    assert np.all(out == value)


@settings(max_examples=40, deadline=None)
@given(SIZES, SIZES, SCALES, EDGES, st.integers(0, 2**32 - 1))
def test_transposing_commutes_for_floats(height, width, scale, edge, seed):
    image = np.random.default_rng(seed).random((height, width))
    np.testing.assert_allclose(imresize(image.T, scale, edge).T, imresize(image, scale, edge), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(SIZES, SIZES, EDGES)
def test_scale_one_is_the_identity(height, width, edge):
    image = np.random.default_rng(0).integers(0, 65536, (height, width), dtype=np.uint16)
    np.testing.assert_array_equal(imresize(image, 1, edge), image)


def test_the_block_size_does_not_change_the_result(monkeypatch):
    image = np.random.default_rng(1).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    whole = imresize(image, 2)
    monkeypatch.setattr("sparsesr.image.resize._BLOCK_SAMPLES", 1)
    np.testing.assert_array_equal(imresize(image, 2), whole)


def test_a_float_scale_means_the_fraction_it_stands_for():
    image = np.random.default_rng(2).integers(0, 256, (30, 33), dtype=np.uint8)
    np.testing.assert_array_equal(imresize(image, 1 / 3), imresize(image, Fraction(1, 3)))


def test_output_size_may_be_given():
    image = np.zeros((10, 20, 3), np.uint8)
    assert imresize(image, (5, 40)).shape == (5, 40, 3)
    assert imresize(image, (15, 4)).shape == (15, 4, 3)


def test_floats_are_not_clipped():
    step = np.repeat([0.0, 1.0], 4)[None].repeat(4, 0)
    out = imresize(step, 2)
    assert out.min() < 0 < 1 < out.max()


@pytest.mark.parametrize(
    ("image", "scale"),
    [
        (np.zeros(3), 2),
        (np.zeros((0, 3)), 2),
        (np.zeros((3, 3), np.int32), 2),
        (np.zeros((3, 3)), 0),
        (np.zeros((3, 3)), -1),
    ],
)
def test_wrong_arguments_are_refused(image, scale):
    with pytest.raises(ValueError, match="imresize needs"):
        imresize(image, scale)
