"""Degradation of training photographs: downscaling, compression and repeatability."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from skimage import data  # noqa: E402

from sparsesr.errors import UsageError  # noqa: E402
from sparsesr.image.resize import imresize  # noqa: E402
from sparsesr.lab.data import degradation  # noqa: E402
from sparsesr.lab.data.degradation import DegradedPatches, degraded, jpeg  # noqa: E402
from sparsesr.lab.data.pack import PackedPairs, pack  # noqa: E402
from sparsesr.lab.data.shrinking import KERNELS, blur_matrix, shrinking_matrix  # noqa: E402
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe  # noqa: E402
from sparsesr.lab.train.feeding import open_feed  # noqa: E402
from training_images import write_images  # noqa: E402


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> PackedPairs:
    folder = tmp_path_factory.mktemp("packed")
    write_images(folder / "photos", 3, size=(96, 110))
    pack([folder / "photos"], folder / "x2.bin", 2, 16)
    return PackedPairs(folder / "x2.bin")


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernel", KERNELS)
def test_downscaling_keeps_flat_images_and_ramps(kernel, scale):
    matrix = shrinking_matrix(kernel, 24 * scale, scale)
    assert matrix.shape == (24, 24 * scale)
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-5)
    ramp = matrix @ np.arange(24 * scale, dtype=np.float32)
    np.testing.assert_allclose(np.diff(ramp[6:-6]), scale, rtol=1e-4)


def test_bicubic_downscaling_is_that_of_benchmarks():
    hr = data.astronaut()[:96, :128]
    ours = degradation._shrunk(hr, 2, "bicubic", 0.0)
    expected = imresize(hr.astype(np.float64), Fraction(1, 2), edge="mirror")
    np.testing.assert_allclose(ours[3:-3, 3:-3], expected[3:-3, 3:-3].clip(0, 255), atol=0.502)


def test_area_downscaling_is_the_mean_of_blocks():
    np.testing.assert_allclose(shrinking_matrix("area", 6, 2) @ np.arange(6.0), [0.5, 2.5, 4.5], rtol=1e-6)


def test_blur_has_the_stated_spread():
    row = blur_matrix(1.5, 41)[20]
    offset = np.arange(41) - 20
    assert (row * offset**2).sum() ** 0.5 == pytest.approx(1.5, rel=0.02)


def test_about_a_third_of_the_patches_is_clean():
    hr = data.astronaut()[100:164, 100:164]
    clean = degradation._shrunk(hr, 2, "bicubic", 0.0)
    made = [degraded(hr, 2, np.random.default_rng(seed)) for seed in range(300)]
    share = np.mean([np.array_equal(lr, clean) for lr in made])
    assert 0.25 < share < 0.42
    errors = [np.abs(lr.astype(int) - clean).mean() for lr in made]
    assert np.max(errors) < 20 and np.median(errors) > 0.5


def test_jpeg_is_worse_at_low_quality_and_keeps_colour_better_without_subsampling():
    image = data.astronaut()[:64, :64]

    def error(quality, **options):
        return np.abs(jpeg(image, quality, **options).astype(int) - image).mean()

    assert error(40) > error(75) > error(98)
    assert error(98, is_subsampled=False) < error(98)


def test_patches_are_repeatable_and_aligned(pairs):
    cutter = DegradedPatches(pairs, 16, 6, seed=3)
    lr, hr = cutter.batch_at(5)
    again = DegradedPatches(pairs, 16, 6, seed=3).batch_at(5)
    assert torch.equal(lr, again[0]) and torch.equal(hr, again[1])
    assert not torch.equal(lr, cutter.batch_at(6)[0])
    assert lr.shape == (6, 3, 16, 16) and hr.shape == (6, 3, 32, 32)
    means = torch.nn.functional.avg_pool2d(hr.float(), 2)
    assert (means - lr.float()).abs().mean() < 15


def test_patches_begin_anywhere_in_a_block_but_not_near_the_border(pairs, monkeypatch):
    """Where a patch is cut shows in an image of coordinates."""

    def coordinates(hr, scale, random):
        height, width = (side // scale for side in hr.shape[:2])
        return np.stack([*np.indices((height, width)), np.full((height, width), height)], -1).astype(np.uint8)

    monkeypatch.setattr(degradation, "degraded", coordinates)
    cutter = DegradedPatches(pairs, 16, 64, seed=3)
    lr = torch.cat([cutter.batch_at(step)[0] for step in range(1, 5)])
    rows, columns, side = lr.unbind(1)
    assert set(rows[:, 0, 0].tolist()) == set(columns[:, 0, 0].tolist()) == set(range(3, 19))
    assert int(rows.max()) == int(columns.max()) < int(side[0, 0, 0]) - 3


def test_what_lies_around_a_patch_changes_only_its_border():
    """Edges are repeated where an image ends; with every kernel and the strongest blur this reaches three pixels."""
    hr, scale, margin = data.astronaut()[64:192, 64:192], 2, 32
    for kernel in KERNELS:
        for sigma_px in (0.0, degradation._BLUR_SIGMA_PX[1]):
            whole = degradation._shrunk(hr, scale, kernel, sigma_px).astype(int)
            part = degradation._shrunk(hr[margin:-margin, margin:-margin], scale, kernel, sigma_px)
            reach = margin // scale
            inside = slice(degradation._BORDER_PX, -degradation._BORDER_PX)
            difference = np.abs(part - whole[reach:-reach, reach:-reach])
            assert difference[inside, inside].max() <= 1


def test_processes_share_a_batch(pairs):
    whole = DegradedPatches(pairs, 16, 4, seed=3).batch_at(5)
    parts = [DegradedPatches(pairs, 16, 2, seed=3, part=(index, 2)).batch_at(5) for index in range(2)]
    for both, expected in zip(zip(*parts, strict=True), whole, strict=True):
        assert torch.equal(torch.cat(both), expected)


def test_the_advice_for_patches_that_do_not_fit_counts_the_margin(pairs):
    largest = min(min(pair.lr_height, pair.lr_width) for pair in pairs.pairs) - 2 * degradation.MARGIN_PX
    with pytest.raises(UsageError, match=f"lr_patch_px to at most {largest},"):
        DegradedPatches(pairs, largest + 1, 2, seed=3)
    assert DegradedPatches(pairs, largest, 2, seed=3).batch_at(1)[0].shape[2:] == (largest, largest)


def test_images_too_small_for_the_margin_are_not_packed(tmp_path):
    write_images(tmp_path / "photos", 3)
    recipe = EnlargingRecipe("x", 1, scale=2, degradation="photo", folders=(str(tmp_path / "photos"),))
    larger = tmp_path / "photos/larger.png"
    Image.fromarray(data.astronaut()[:200, :200]).save(larger)
    side = 100 - 2 * degradation.MARGIN_PX  # only the new image is large enough, to the pixel
    feed = open_feed(
        replace(recipe, lr_patch_px=side, batch=1), tmp_path, (0, 1), torch.device("cpu"), lambda line: None
    )
    assert feed.at(1)[0].shape[2:] == (side, side)
    assert len(PackedPairs(tmp_path / "packed_x2.bin").pairs) == 1


def test_the_recipe_knows_both_kinds():
    assert EnlargingRecipe("x", 1, scale=2, degradation="photo").degradation == "photo"
    with pytest.raises(Exception, match="degradation"):
        EnlargingRecipe("x", 1, scale=2, degradation="film")
