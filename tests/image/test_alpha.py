from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsesr.image.alpha import fill_transparent, upscale_alpha
from sparsesr.image.decode import decode
from sparsesr.image.resize import imresize


def disc(height: int, width: int, softness_px: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    return (np.clip((height * 0.4 - distance) / softness_px + 0.5, 0, 1) * 255).round().astype(np.uint8)


def edge_error(rgb: np.ndarray, alpha: np.ndarray, background: int) -> float:
    """Mean colour error at the upscaled edge on a background, compared with upscaling premultiplied colours."""
    ours = imresize(rgb, 2).astype(float)
    coverage = upscale_alpha(alpha, 2)[..., None] / 255
    ours = ours * coverage + background * (1 - coverage)
    share = alpha[..., None] / 255
    reference = np.clip(imresize(rgb * share, 2), 0, 255)
    reference += background * (1 - np.clip(imresize(share, 2, "clamp"), 0, 1))
    edge = (coverage > 0) & (coverage < 1)
    return float(np.abs(ours - reference)[edge[..., 0]].mean())


@pytest.mark.parametrize("softness_px", [1, 3, 8])
@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("background", [0, 255])
def test_no_fringe_around_a_masked_photograph(benchmarks_dir, softness_px, hidden, background):
    rgb = decode(benchmarks_dir / "Set5" / "HR" / "bird.png").rgb.copy()
    alpha = disc(*rgb.shape[:2], softness_px)
    rgb[alpha == 0] = hidden
    error = edge_error(fill_transparent(rgb, alpha), alpha, background)
    assert error <= 2
    assert error < edge_error(rgb, alpha, background)


@pytest.mark.parametrize("name", ["rgba_logo.png", "anim.png", "alpha_photo.png"])
def test_no_fringe_around_graphics(odd_inputs_dir, name):
    decoded = decode(odd_inputs_dir / name)
    filled = fill_transparent(decoded.rgb, decoded.alpha)
    assert max(edge_error(filled, decoded.alpha, background) for background in (0, 255)) <= 2


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([np.uint8, np.uint16]), st.integers(0, 2**32 - 1)
)
def test_visible_pixels_are_unchanged_and_a_single_colour_spreads_everywhere(height, width, dtype, seed):
    rng = np.random.default_rng(seed)
    peak = np.iinfo(dtype).max
    alpha = (rng.random((height, width)) * peak * (rng.random((height, width)) < 0.2)).astype(dtype)
    rgb = rng.integers(0, peak + 1, (height, width, 3), dtype=dtype)
    seen = alpha > 0
    filled = fill_transparent(rgb, alpha)
    np.testing.assert_array_equal(filled[seen], rgb[seen])
    rgb[seen] = (1, 200, 77)
    if seen.any():
        assert np.abs(fill_transparent(rgb, alpha).astype(int) - (1, 200, 77)).max() <= 1


def test_the_same_array_is_returned_if_nothing_changes():
    rgb = np.zeros((4, 5, 3), np.uint8)
    assert fill_transparent(rgb, np.ones((4, 5), np.uint8)) is rgb
    assert fill_transparent(rgb, np.zeros((4, 5), np.uint8)) is rgb


def test_upscaled_alpha_keeps_type_and_extremes():
    alpha = np.zeros((6, 7), np.uint16)
    alpha[:, 4:] = 65535
    out = upscale_alpha(alpha, 3)
    assert out.shape == (18, 21)
    assert out.dtype == np.uint16
    assert (out[:, :6] == 0).all()
    assert (out[:, -6:] == 65535).all()
