"""Input pipeline of a run: patches of the recipe's scales, with its degradation and noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from sparsesr.errors import UsageError
from sparsesr.lab.data.batches import Batches, HostBatches, open_batches
from sparsesr.lab.data.degradation import MARGIN_PX, DegradedPatches
from sparsesr.lab.data.noise import with_blind_noise
from sparsesr.lab.data.pack import PackedPairs
from sparsesr.lab.data.patches import Batch, PatchSampler
from sparsesr.lab.data.several_scales import SeveralScales
from sparsesr.lab.data.training_set import open_training_set
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.teacher import Teacher, open_teacher


class PatchFeed:
    """The patches of each step; they depend only on the recipe, the process and the step."""

    def __init__(
        self, recipe: EnlargingRecipe, batches: Batches, process: int, teacher: Teacher | None = None
    ) -> None:
        self._recipe, self._batches, self._process, self._teacher = recipe, batches, process, teacher

    def at(self, step: int) -> Batch:
        """LR and target of ``step`` on the device, float32 in 0..1; noise may take LR slightly outside.

        The target is HR, or what the recipe's teacher makes of LR.

        LR has the memory layout of the network's weights.
        """
        lr_B3HW, hr_B3HW = self._batches.at(step)
        if self._recipe.noise_sigma_max:
            key = (self._recipe.seed, step, self._process)
            lr_B3HW = with_blind_noise(lr_B3HW, self._recipe.noise_sigma_max, key)
        if self._recipe.channels_last:
            lr_B3HW = lr_B3HW.contiguous(memory_format=torch.channels_last)
        return lr_B3HW, hr_B3HW if self._teacher is None else self._teacher.target(lr_B3HW, hr_B3HW)

    def close(self) -> None:
        """Stop working ahead."""
        self._batches.close()


def open_feed(
    recipe: EnlargingRecipe,
    run_folder: Path,
    part: tuple[int, int],
    device: torch.device,
    report: Callable[[str], None],
    images: tuple[int, int] = (0, 1),
    teacher: Teacher | None = None,
) -> PatchFeed:
    """Open the feed of process ``part[0]`` of ``part[1]``, packing the images if needed.

    ``images`` (i, n): use the i-th of n equal parts of the images. ``teacher``: the recipe's, if it is open already.

    Raises:
        UsageError: the recipe does not fit the images, or it trains several scales in several processes.
        InputError: the images are unusable.
        ModelError: a packed file is damaged.
    """

    def pairs(scale: int) -> PackedPairs:
        return _open_pairs(recipe, scale, run_folder, part[0] == 0, report).part(*images)

    def sampler(scale: int) -> PatchSampler:
        return PatchSampler(pairs(scale), *_sampling(recipe, part))

    teacher = teacher or teacher_of(recipe, device)
    if recipe.degradation == "photo":
        degraded = DegradedPatches(pairs(recipe.scale), *_sampling(recipe, part))
        return PatchFeed(recipe, HostBatches(degraded, device), part[0], teacher)
    if not recipe.scales:
        return PatchFeed(recipe, open_batches(sampler(recipe.scale), device), part[0], teacher)
    if part[1] > 1:  # the set of upsamplers with a gradient changes between steps, which DDP does not support
        raise UsageError("several scales are trained by one process; start it without torchrun")
    several = SeveralScales({scale: sampler(scale) for scale in recipe.scales}, recipe.seed)
    return PatchFeed(recipe, HostBatches(several, device), part[0])


def teacher_of(recipe: EnlargingRecipe, device: torch.device) -> Teacher | None:
    """The recipe's teacher, opened; None if it has none."""
    if not recipe.teacher:
        return None
    return open_teacher(recipe.teacher, recipe.scale, recipe.lr_patch_px, device)


def _sampling(recipe: EnlargingRecipe, part: tuple[int, int]) -> tuple[int, int, int, tuple[int, int], int]:
    """Arguments that all samplers of patches share."""
    return recipe.lr_patch_px, recipe.batch, recipe.seed, part, recipe.patch_candidates


def _open_pairs(
    recipe: EnlargingRecipe, scale: int, run_folder: Path, packs: bool, report: Callable[[str], None]
) -> PackedPairs:
    packed = Path(recipe.packed) if recipe.packed else run_folder / f"packed_x{scale}.bin"
    folders = [Path(folder) for folder in recipe.folders]
    margin_px = MARGIN_PX if recipe.degradation == "photo" else 0
    return open_training_set(folders, packed, scale, recipe.lr_patch_px + 2 * margin_px, report, packs=packs)
