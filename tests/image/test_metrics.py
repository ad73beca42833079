from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sparsesr.image.metrics import psnr, psnr_y, rgb_to_y, ssim_y


def noisy_pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, (48, 61, 3), dtype=np.uint8)
    b = np.clip(a.astype(int) + rng.integers(-12, 13, a.shape), 0, 255).astype(np.uint8)
    return a, b


def test_luma_is_matlabs():
    ends = rgb_to_y(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8))
    np.testing.assert_allclose(ends, [[16.0, 235.0]], atol=0.05)
    a, _ = noisy_pair()
    matlab = 16 + a.astype(float) @ [65.481, 128.553, 24.966] / 255
    np.testing.assert_allclose(rgb_to_y(a), matlab, atol=0.05)


def test_grey_is_rgb_with_equal_channels():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_allclose(rgb_to_y(grey), rgb_to_y(np.repeat(grey[..., None], 3, 2)))


def test_psnr_agrees_with_scikit_image():
    a, b = noisy_pair()
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255))
    x, y = (rgb_to_y(i)[3:-3, 3:-3] for i in (a, b))
    assert psnr_y(a, b, 3) == pytest.approx(peak_signal_noise_ratio(x, y, data_range=255))


def test_equal_images_have_infinite_psnr_and_unit_ssim():
    a, _ = noisy_pair()
    assert psnr_y(a, a, 2) == math.inf
    assert ssim_y(a, a, 2) == pytest.approx(1.0)


@pytest.mark.parametrize("shave", [0, 2, 4])
def test_ssim_agrees_with_scikit_image(shave):
    a, b = noisy_pair(shave)
    x, y = (rgb_to_y(i)[shave : 48 - shave, shave : 61 - shave] for i in (a, b))
    _, whole = structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True
    )
    assert ssim_y(a, b, shave) == pytest.approx(whole[5:-5, 5:-5].mean(), abs=1e-9)


def test_mismatches_are_named():
    a, b = noisy_pair()
    with pytest.raises(ValueError, match="differ in shape"):
        psnr_y(a, b[1:], 2)
    with pytest.raises(ValueError, match="leaves less than 11 px"):
        ssim_y(a[:14], b[:14], 2)
    with pytest.raises(ValueError, match="leaves less than 1 px"):
        psnr(a, b, 24)
    with pytest.raises(ValueError, match="rgb_to_y needs"):
        rgb_to_y(np.zeros((4, 4, 4)))
