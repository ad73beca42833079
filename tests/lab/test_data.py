"""The packed pictures and the patches drawn from them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sparsesr.errors import InputError  # noqa: E402
from sparsesr.image.resize import imresize  # noqa: E402
from sparsesr.lab.data.pack import PackedPairs, pack  # noqa: E402
from sparsesr.lab.data.patches import PatchSampler  # noqa: E402
from training_pictures import write_pictures  # noqa: E402


@pytest.fixture
def pairs(tmp_path):
    write_pictures(tmp_path / "photos", 3, size=(66, 81))
    assert pack([tmp_path / "photos"], tmp_path / "p.bin", 2, 16) == []
    return PackedPairs(tmp_path / "p.bin")


def test_lr_is_the_shrunk_hr(pairs):
    for index in range(len(pairs)):
        hr, lr = pairs.hr(index), pairs.lr(index)
        assert hr.shape[0] == 2 * lr.shape[0] and hr.shape[1] == 2 * lr.shape[1]
        np.testing.assert_array_equal(lr, imresize(np.ascontiguousarray(hr), lr.shape[:2]))


def test_patches_are_aligned_and_repeatable(pairs):
    sampler = PatchSampler(pairs, 16, 6, seed=3)
    lr, hr = sampler.batch_at(7)
    assert lr.shape == (6, 3, 16, 16) and hr.shape == (6, 3, 32, 32)
    again_lr, again_hr = PatchSampler(pairs, 16, 6, seed=3).batch_at(7)
    assert torch.equal(lr, again_lr) and torch.equal(hr, again_hr)
    assert not torch.equal(lr, sampler.batch_at(8)[0])
    # Shrinking the HR patch by a box filter must land near the LR patch: the two are of the same place.
    box = torch.nn.functional.avg_pool2d(hr, 2)
    assert (box - lr).abs().mean() < 0.05


def test_small_and_broken_pictures_are_reported(tmp_path):
    write_pictures(tmp_path / "photos", 1)
    write_pictures(tmp_path / "photos/small", 1, size=(16, 16))
    (tmp_path / "photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    skipped = pack([tmp_path / "photos"], tmp_path / "p.bin", 2, 16)
    assert len(skipped) == 2
    assert len(PackedPairs(tmp_path / "p.bin")) == 1


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no usable training picture"):
        pack([tmp_path], tmp_path / "p.bin", 2, 16)
