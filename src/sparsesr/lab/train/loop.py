"""The training loop. It reads top to bottom; everything that it is told comes from the recipe."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sparsesr.lab.data.pack import PackedPairs, pack
from sparsesr.lab.data.patches import PatchSampler
from sparsesr.lab.nn.registry import create
from sparsesr.lab.nn.smsr import SMSR
from sparsesr.lab.sparsity.schedules import temperature_at, warmup_at
from sparsesr.lab.train import checkpoint
from sparsesr.lab.train.recipe import Recipe
from sparsesr.lab.train.validation import load_pairs, validate


def train(
    recipe: Recipe,
    run_folder: Path,
    *,
    max_minutes: float | None = None,
    autocast: bool = True,
    report: Callable[[str], None] = print,
) -> Path:
    """Train, or go on where ``run_folder`` stopped; returns the path of the checkpoint.

    The folder gets ``packed.*`` (the pictures), ``checkpoint.pt`` (resumable; ``ema`` holds the weights to ship)
    and ``log.jsonl``. Ctrl-C saves and stops.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    path = run_folder / "checkpoint.pt"
    torch.manual_seed(recipe.seed)
    sampler = PatchSampler(_packed(recipe, run_folder, report), recipe.lr_patch_px, recipe.batch, recipe.seed)
    validation = load_pairs(Path(recipe.validation), recipe.scale)

    network = cast(SMSR, create(recipe.network)).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay), use_buffers=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    schedule = OneCycleLR(optimizer, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.05)

    start = 0
    if path.exists():
        stored = checkpoint.load(path, recipe)
        start = stored["step"]
        network.load_state_dict(stored["network"])
        average.load_state_dict(stored["average"])
        optimizer.load_state_dict(stored["optimizer"])
        schedule.load_state_dict(stored["schedule"])
        torch.set_rng_state(stored["random"]["cpu"])
        report(f"resumed at step {start}")

    def save(step: int) -> None:
        checkpoint.save(
            path, recipe, step,
            network=network.state_dict(), average=average.state_dict(), ema=average.module.state_dict(),
            optimizer=optimizer.state_dict(), schedule=schedule.state_dict(),
            random={"cpu": torch.get_rng_state()},
        )  # fmt: skip

    began = time.monotonic()
    step = start
    try:
        for step in range(start + 1, recipe.steps + 1):
            progress = step / recipe.steps
            network.set_temperature(
                temperature_at(progress, recipe.temperature_final, recipe.temperature_decay_fraction)
            )
            if progress >= recipe.freeze_channel_masks_fraction:
                network.freeze_channel_masks()

            lr_B3HW, hr_B3HW = sampler.batch_at(step)
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                sr_B3HW = network(lr_B3HW)
            fidelity = _l1(sr_B3HW, hr_B3HW)
            density = network.density()
            weight = recipe.sparsity_weight * warmup_at(progress, recipe.sparsity_warmup_fraction)
            loss = fidelity + weight * density
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"loss is {loss.item()} at step {step}; resume from {path} with a lower learning rate"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip)
            optimizer.step()
            schedule.step()
            average.update_parameters(network)

            if step % 50 == 0:
                rate = (step - start) / (time.monotonic() - began)
                _log(run_folder, report, step=step, l1=255 * fidelity.item(), density=density.item(),
                     steps_per_s=rate, minutes_left=(recipe.steps - step) / rate / 60)  # fmt: skip
            if step % recipe.validate_every == 0:
                _log(run_folder, report, step=step, **validate(cast(SMSR, average.module), validation))
            if step % recipe.save_every == 0:
                save(step)
            if max_minutes is not None and time.monotonic() - began > 60 * max_minutes:
                break
    except KeyboardInterrupt:
        report(f"interrupted after step {step - 1}")
        step -= 1
    save(step)
    return path


def _l1(sr: Tensor, hr: Tensor) -> Tensor:
    return (sr.float() - hr).abs().mean()


def _packed(recipe: Recipe, run_folder: Path, report: Callable[[str], None]) -> PackedPairs:
    """The packed pictures, made on the first run."""
    path = run_folder / f"packed_x{recipe.scale}.bin"
    if not path.with_suffix(".json").exists():
        report("packing the training pictures (once)")
        for line in pack(map(Path, recipe.folders), path, recipe.scale, recipe.lr_patch_px):
            report(f"left out: {line}")
    return PackedPairs(path)


def _log(run_folder: Path, report: Callable[[str], None], **values: float) -> None:
    with (run_folder / "log.jsonl").open("a") as file:
        file.write(json.dumps(values) + "\n")
    report(" ".join(f"{name}={value:.4g}" for name, value in values.items()))
