"""The packed images and the patches drawn from them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import pyvips

torch = pytest.importorskip("torch")

from sparsesr.errors import InputError, ModelError, UsageError  # noqa: E402
from sparsesr.image.resize import imresize  # noqa: E402
from sparsesr.lab.data.batches import DeviceBatches, HostBatches  # noqa: E402
from sparsesr.lab.data.pack import PackedPairs, pack  # noqa: E402
from sparsesr.lab.data.patches import PatchSampler, to_unit  # noqa: E402
from sparsesr.lab.data.training_set import open_training_set  # noqa: E402
from training_images import write_images  # noqa: E402


@pytest.fixture
def pairs(tmp_path):
    write_images(tmp_path / "photos", 3, size=(66, 81))
    assert pack([tmp_path / "photos"], tmp_path / "p.bin", 2, 16) == []
    return PackedPairs(tmp_path / "p.bin")


def test_lr_is_the_downscaled_hr(pairs):
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
    # Box-downscaling the HR patch must give nearly the LR patch: both show the same place.
    lr, hr = to_unit((lr, hr))
    box = torch.nn.functional.avg_pool2d(hr, 2)
    assert (box - lr).abs().mean() < 0.05


def test_small_broken_images_are_reported(tmp_path):
    write_images(tmp_path / "photos", 1)
    write_images(tmp_path / "photos/small", 1, size=(16, 16))
    (tmp_path / "photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    skipped = pack([tmp_path / "photos"], tmp_path / "p.bin", 2, 16)
    assert len(skipped) == 2
    assert len(PackedPairs(tmp_path / "p.bin")) == 1


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no usable training image"):
        pack([tmp_path], tmp_path / "p.bin", 2, 16)


def test_the_device_cuts_the_same_patches(pairs):
    sampler = PatchSampler(pairs, 16, 8, seed=3)
    host, device = HostBatches(sampler, torch.device("cpu")), DeviceBatches(sampler, torch.device("cpu"))
    for step in (1, 2, 9):
        for ours, theirs in zip(device.at(step), host.at(step), strict=True):
            assert torch.equal(ours, theirs) and ours.dtype == torch.float32
    host.close()


@pytest.mark.parametrize("candidates", [1, 3])
def test_processes_share_a_larger_batch(pairs, candidates):
    lr, hr = PatchSampler(pairs, 16, 6, seed=3, candidates=candidates).batch_at(4)
    parts = [PatchSampler(pairs, 16, 3, 3, (index, 2), candidates).batch_at(4) for index in range(2)]
    assert torch.equal(lr, torch.cat([part[0] for part in parts]))
    assert torch.equal(hr, torch.cat([part[1] for part in parts]))


def test_detailed_places_are_preferred(tmp_path):
    half_flat = np.full((64, 128, 3), 128, np.uint8)
    half_flat[:, 64:] = np.random.default_rng(1).integers(0, 256, (64, 64, 3))
    (tmp_path / "photos").mkdir()
    pyvips.Image.new_from_array(half_flat).write_to_file(str(tmp_path / "photos/a.png"))
    pack([tmp_path / "photos"], tmp_path / "p.bin", 2, 16)
    pairs = PackedPairs(tmp_path / "p.bin")

    def contrast(candidates):
        sampler = PatchSampler(pairs, 16, 64, seed=3, candidates=candidates)
        return sampler.batch_at(1)[1].float().std(dim=(1, 2, 3)).mean()

    assert contrast(4) > 1.3 * contrast(1)


def test_patches_larger_than_images_are_refused(pairs):
    with pytest.raises(UsageError, match="set lr_patch_px to at most 32"):
        PatchSampler(pairs, 34, 1, seed=1)


def test_grey_16_bit_and_transparent_images_are_used(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    grey = np.full((40, 48), 25700, np.uint16)
    for name, image in (
        ("grey.png", grey),
        ("alpha.png", np.full((40, 48, 4), 100, np.uint8)),
        ("nearly.png", np.full((40, 48, 3), 25700 + 128, np.uint16)),
    ):
        deep = {"interpretation": "grey16" if image.ndim == 2 else "rgb16"} if image.itemsize == 2 else {}
        pyvips.Image.new_from_array(image).copy(**deep).write_to_file(str(folder / name))
    assert pack([folder], tmp_path / "p.bin", 2, 16) == []
    pairs = PackedPairs(tmp_path / "p.bin")
    values = {pair.name: set(np.unique(pairs.hr(index))) for index, pair in enumerate(pairs.pairs)}
    assert values == {"grey.png": {100}, "alpha.png": {100}, "nearly.png": {100}}


def test_a_missing_folder_and_all_broken_are_errors(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        pack([tmp_path / "none"], tmp_path / "p.bin", 2, 16)
    (tmp_path / "broken.png").write_bytes(b"rubbish")
    with pytest.raises(InputError, match="none of 1 images is usable"):
        pack([tmp_path], tmp_path / "p.bin", 2, 16)
    assert not (tmp_path / "p.bin").exists()


def test_a_packed_file_is_checked(pairs, tmp_path):
    folders = [tmp_path / "photos"]
    open_training_set(folders, tmp_path / "p.bin", 2, 16, print)
    with pytest.raises(UsageError, match="packed for x2"):
        open_training_set(folders, tmp_path / "p.bin", 3, 16, print)
    with pytest.raises(UsageError, match="packed from"):
        open_training_set([tmp_path], tmp_path / "p.bin", 2, 16, print)
    index = (tmp_path / "p.json").read_text()
    (tmp_path / "p.json").write_text(index.replace('"format": 2', '"format": 1'))
    with pytest.raises(ModelError, match=r"p.json to pack the images again"):
        PackedPairs(tmp_path / "p.bin")
    (tmp_path / "p.json").write_text(index)
    (tmp_path / "p.bin").write_bytes(b"1234")
    with pytest.raises(ModelError, match="truncated"):
        PackedPairs(tmp_path / "p.bin")
    (tmp_path / "p.json").write_text("{}")
    with pytest.raises(ModelError, match=r"delete .*p.json"):
        PackedPairs(tmp_path / "p.bin")


def test_a_folder_that_holds_more_than_was_packed_is_noted(pairs, tmp_path):
    folders, lines = [tmp_path / "photos"], []
    open_training_set(folders, tmp_path / "p.bin", 2, 16, lines.append)
    assert lines == ["3 training images for x2"]
    (tmp_path / "photos/new.png").write_bytes(b"")
    open_training_set(folders, tmp_path / "p.bin", 2, 16, lines.append)
    assert re.search("packed when there were 3 files, now there are 4; delete .*p.json", lines[-1])
    count = len(lines)
    (tmp_path / "photos").rename(tmp_path / "gone")
    open_training_set(folders, tmp_path / "p.bin", 2, 16, lines.append)
    assert len(lines) == count + 1  # the packed images are all that a run needs
    index = json.loads((tmp_path / "p.json").read_text())
    del index["files"]  # as in files that were packed before
    (tmp_path / "p.json").write_text(json.dumps({**index, "min_lr_side_px": 16}))
    (tmp_path / "gone").rename(tmp_path / "photos")
    open_training_set(folders, tmp_path / "p.bin", 2, 16, lines.append)
    assert len(lines) == count + 2


def test_doing_what_the_message_says_packs_again(pairs, tmp_path):
    folders = [tmp_path / "photos"]
    open_training_set(folders, tmp_path / "p.bin", 2, 16, print)
    (tmp_path / "p.bin").unlink()
    with pytest.raises(ModelError) as refused:
        open_training_set(folders, tmp_path / "p.bin", 2, 16, print)
    (named,) = re.findall(r"delete (\S+) to pack", str(refused.value))
    Path(named).unlink()
    assert len(open_training_set(folders, tmp_path / "p.bin", 2, 16, print)) == len(pairs)
