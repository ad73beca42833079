"""The training loop; a recipe configures everything."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sparsesr.errors import InputError, ModelError, UsageError, Wording
from sparsesr.lab.nn.masked_network import with_masks
from sparsesr.lab.train import checkpoint
from sparsesr.lab.train.ending import Ending, continued, decaying, length
from sparsesr.lab.train.freed_memory import keep_freed_memory
from sparsesr.lab.train.masks import check_kept_masks
from sparsesr.lab.train.messages import Messages
from sparsesr.lab.train.method import Training
from sparsesr.lab.train.optimisation import make_average
from sparsesr.lab.train.processes import end_together, ends_with_the_others, mean_over, start_fabric, sum_over
from sparsesr.lab.train.pruning import Surroundings, make_pruner
from sparsesr.lab.train.recipe import Recipe
from sparsesr.lab.train.run_log import RunLog
from sparsesr.lab.train.running_means import RunningMeans
from sparsesr.lab.train.step import Trainee
from sparsesr.lab.train.task import Task
from sparsesr.lab.train.tasks import task_of

CHECKPOINT = "checkpoint.pt"
_LOOK_EVERY = 10
"""Steps between checks of the loss and of stop requests where a check stalls a GPU or other processes."""
_SEED_STRIDE = 1_000_003


@dataclass(frozen=True)
class Outcome:
    """Result of a call of :func:`train`."""

    checkpoint: Path
    step: int
    steps: int
    """Of the whole run."""

    @property
    def finished(self) -> bool:
        """True if all steps are done."""
        return self.step >= self.steps


def train(
    recipe: Recipe,
    run_folder: Path,
    *,
    method: Training | None = None,
    resume: bool = False,
    ending: Ending | None = None,
    device: str = "auto",
    threads: int | None = None,
    report: Callable[[str], None] = print,
) -> Outcome:
    """Train until the last step or until ``ending`` is due; the state is saved either way.

    The folder gets ``checkpoint.pt`` (resumable; ``ema`` holds the weights to ship), ``log.jsonl``, ``tensorboard/``
    and, unless the recipe sets ``packed``, the packed images. ``method`` replaces ordinary training. If ``report``
    fails with an OSError, the run saves and stops. From here on the process keeps memory that it frees.

    Raises:
        UsageError: the folder already holds a run and ``resume`` is not set, or one with more steps; the recipe does
            not fit the images.
        InputError: training or validation images are unusable; the checkpoint cannot be written.
        ModelError: the checkpoint belongs to another recipe or version; the loss is not finite.
        BackendError: another process of the run died.
    """
    # ---- processes, device and run folder ----
    keep_freed_memory()
    method, ending = method or Training(), ending or Ending()
    ending.check(recipe)
    if threads is not None:
        torch.set_num_threads(threads)
    fabric = start_fabric(recipe, device)
    processes, is_first = fabric.world_size, fabric.global_rank == 0
    report = messages = Messages(report if is_first else _say_nothing)
    path = run_folder / CHECKPOINT
    make_run_folder(run_folder, resume)
    stored = checkpoint.load(path, recipe) if path.exists() else None
    # A deadline changes the learning rate only: masks and pruning go on by the length that was asked for.
    asked, asked_length = recipe, length(recipe)
    if stored is not None:
        recipe = continued(recipe, stored)

    # ---- images ----
    part = (fabric.global_rank, processes)
    task = task_of(recipe)
    batches = method.open_feed(task, run_folder, part, fabric.device, report)
    contents, facts = checkpoint.contents(recipe), task.facts()
    if stored is not None:
        checkpoint.check_facts(stored, facts, path)

    # ---- network, average, optimiser; identical on all processes ----
    torch.manual_seed(recipe.seed)
    plain = _network(method, recipe, task, report if stored is None else None)
    if masked := with_masks(plain):
        masked.share_batch(*part)
    validation = task.validation(plain, part)
    average = make_average(recipe, plain).to(fabric.device)
    masks = method.policy(asked, plain, average.module)
    optimizer: Any = method.optimizer(recipe, plain)
    around = Surroundings(
        plain, average.module, optimizer, lambda step: batches.at(step)[0], partial(mean_over, fabric)
    )
    pruner = make_pruner(asked, around)
    start = 0
    if stored is not None:
        start = stored["step"]
        plain.load_state_dict(stored["network"])
        average.module.load_state_dict(stored["ema"])
        average.n_averaged.fill_(start)
        report(f"resumes after step {start:,}")
    compiled: Any = torch.compile(plain) if recipe.compile else plain
    network, optimizer = fabric.setup(compiled, optimizer)
    network.train()
    trainee = Trainee(recipe, task, fabric, plain, network, optimizer, average, masks, pruner)
    if stored is not None:
        optimizer.load_state_dict(stored["optimizer"])
        masks.restore(stored["masks"])
        pruner.restore(stored.get("pruning", {}))

    def save(step: int) -> None:
        if is_first:
            checkpoint.save(
                path, recipe, step, asked_length=asked_length, contents=contents, facts=facts,
                network=plain.state_dict(), ema=average.module.state_dict(),
                optimizer=optimizer.state_dict(), masks=masks.state(), pruning=pruner.state(),
            )  # fmt: skip

    # ---- the loop ----
    log = RunLog(run_folder, start, recipe.steps, report) if is_first else None
    look_every = 1 if fabric.device.type == "cpu" and processes == 1 else _LOOK_EVERY
    means = RunningMeans()
    step, saved = start, start
    stopped = False
    try:
        while step < recipe.steps and not stopped:
            step += 1
            with ends_with_the_others(fabric, step - 1):
                torch.manual_seed(
                    recipe.seed * _SEED_STRIDE + step
                )  # random draws of a step depend only on the step
                task.start_step(plain, step)
                losses = method.step(trainee, step, batches.at(step))
                means.add(losses.figures)

                # ---- at intervals: check the loss, log, validate, save, stop ----
                if step % recipe.log_every == 0:
                    figures = means.take(partial(mean_over, fabric))
                    for value in figures.values():
                        _check_finite(value, step, path, saved)
                    if log:
                        log.progress(
                            step,
                            **figures,
                            **masks.figures(),
                            **pruner.figures(),
                            learning_rate=losses.learning_rate,
                        )
                if step % look_every == 0 or step == recipe.steps:
                    _check_finite(mean_over(fabric, losses.total).item(), step, path, saved)
                    # Clocks differ, so the first process alone decides about the decay.
                    decay_steps = ending.decay_steps(recipe, step, step - start) if is_first else 0
                    wishes = torch.tensor(
                        [float(ending.is_due() or messages.is_lost), decay_steps], device=fabric.device
                    )
                    wish, decay = sum_over(fabric, wishes).tolist()
                    stopped = wish > 0
                    if decay >= 1:
                        recipe = decaying(recipe, step, int(decay))
                        trainee = replace(trainee, recipe=recipe)
                        report(f"the decay starts: {recipe.steps:,} steps, lr_decay_steps={int(decay)}")
                        if log:
                            log.steps = recipe.steps
                if validation and (step % recipe.validate_every == 0 or step == recipe.steps):
                    measured = validation.measure(average.module, partial(sum_over, fabric))
                    if log:
                        log.write(step, **measured)
                        report(
                            "validation  "
                            + "  ".join(f"{name} {value:.3f}" for name, value in measured.items())
                        )
                if step % recipe.save_every == 0:
                    saved = _saved_or_warned(save, step, saved, report)
    finally:
        batches.close()
        if log:
            log.close()
    save(step)
    end_together(fabric, step)
    return Outcome(path, step, recipe.steps)


def make_run_folder(folder: Path, resume: bool) -> None:
    """Make the folder of a run.

    Raises:
        UsageError: it already holds a run and ``resume`` is not set.
        InputError: it cannot be created.
    """
    if (folder / CHECKPOINT).exists() and not resume:
        raise UsageError(
            "already holds a run",
            where=str(folder),
            remedy=Wording("continue it with {}, or choose another {}", "resume", "output"),
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = Wording("choose another {}", "output")
        raise InputError(f"cannot be created ({error.strerror})", where=str(folder), remedy=remedy) from None


def _say_nothing(line: str) -> None:
    """Drop messages of all processes but the first."""


def _network(method: Training, recipe: Recipe, task: Task, report: Callable[[str], None] | None) -> nn.Module:
    """The network of the recipe; with ``report``, initialised from ``init_from`` if that is set."""
    network = task.adapted(method.network(recipe))
    task.check(network)
    if report is not None:
        missing = list(network.state_dict())
        if recipe.init_from:
            missing = checkpoint.warm_start(network, recipe.init_from)
            report(f"weights from {recipe.init_from}; not found there: {', '.join(missing) or 'none'}")
        check_kept_masks(recipe, network, missing)
    return network.to(memory_format=torch.channels_last) if recipe.channels_last else network  # type: ignore[call-overload]


def _check_finite(loss: float, step: int, path: Path, saved: int) -> None:
    if math.isfinite(loss):
        return
    changes, changed = "{}=LOWER, or with {}=fp32", ("recipe.learning_rate", "recipe.precision")
    remedy = Wording(f"start again with {changes}", *changed)
    if saved:
        remedy = Wording(
            f"{path} holds step {saved}: restart from it in another folder with {{}}={path} {changes}",
            "recipe.init_from",
            *changed,
        )
    raise ModelError(f"the loss is {loss} at step {step}", remedy=remedy)


def _saved_or_warned(
    save: Callable[[int], None], step: int, saved: int, report: Callable[[str], None]
) -> int:
    """Save, with a warning on failure: a full disk may have space later. Returns the step of the last checkpoint."""
    try:
        save(step)
    except InputError as error:
        held = f"the checkpoint still holds step {saved:,}" if saved else "there is no checkpoint yet"
        report(f"warning: {error}; training continues, {held}")
        return saved
    return step
