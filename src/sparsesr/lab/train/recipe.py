"""Recipe: the configuration of a training run. Imports no torch, so that recipes can be listed without it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sparsesr.lab.sparsity.balance import Balance
from sparsesr.lab.train.recipe_checks import (
    check,
    check_at_least_one,
    check_betas,
    check_choices,
    check_packed,
    check_rate,
)

OPTIMIZERS = ("adam", "adamw", "muon", "sgd")
SCHEDULES = ("constant", "step", "cosine", "one_cycle", "wsd")
PRECISIONS = ("fp32", "bf16")
CONTROLS = ("weight", "threshold")
PATTERNS = ("balanced", "unstructured", "block")
PRUNING_METHODS = ("gradual", "straight_through")
_MOST_SEED = 2**32 - 1
_CHOICES = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "precision": PRECISIONS}


@dataclass(frozen=True)
class Sparsity:
    """Mask training. Fractions are of the whole run; densities are *kept* fractions.

    The run starts with all masks open (``dense_fraction``), with an optional lesson of the mask heads towards the end
    of that phase. Then masks start with most pixels kept; the temperature falls and the density pressure rises. With
    ``target_density`` the density falls linearly from 1 to the target, by the means that ``control`` selects; without
    it, the sparsity loss has the paper's constant weight after a warm-up.
    """

    target_density: float | None = None
    """Target of the kept fraction; None: constant ``weight``."""
    control: str = "weight"
    """Means of reaching the target. ``weight``: the weight of the sparsity loss. ``threshold``: the bias of the mask
    heads, beside a constant ``weight``; training then only ranks the pixels. Reliable and fast."""
    most_dense: float = 1.0
    """With ``control`` threshold: largest share of dense channels in a module. Without a bound, dense channels may use
    up the whole density and leave no active pixels."""
    weight: float = 0.1
    """Weight of the sparsity loss in the paper's unit, beside an L1 loss on 0..255, unless ``control`` sets it."""
    largest_weight: float = 10.0
    """Upper bound of the weight with ``control`` weight."""
    dense_fraction: float = 0.0
    """Share of the steps trained without masks: one convolution per layer, no noise."""
    lesson_weight: float = 0.0
    """Weight, in the paper's unit, of an auxiliary loss that teaches mask heads where interpolation fails; 0: none.
    Needs ``control`` threshold: the threshold sets how many pixels are active, the lesson ranks them."""
    lesson_fraction: float = 0.0
    """Length of the lesson before the end of the dense steps, as a share of all steps."""
    keep_masks: bool = False
    """Keep the masks of the initial weights (a model with trained masks) instead of starting with most pixels kept."""
    warmup_fraction: float = 0.05
    """Share of the steps, from the start of the masks, over which the weight rises and the target falls."""
    temperature_final: float = 0.4
    temperature_fraction: float = 0.3
    """Share of the steps, from the start of the masks, over which the temperature falls from 1."""
    freeze_fraction: float = 0.6
    """Channel masks are hard after this share of the steps, which halves the work of a masked layer."""
    hard_fraction: float = 1.0
    """Spatial masks are hard after this share of the steps: the last steps train the masks of evaluation."""
    straight_through: bool = True
    """Pass gradients through hard masks. Otherwise mask heads learn only from the lesson, and native kernels can train
    the trunk of Skim in half the time."""
    module_floor: float = 0.15
    """Modules below this density are pushed up while their logits are still small, so that none closes for good."""
    channel_lr_factor: float = 1.0
    """Learning rate of the channel masks relative to the others; short runs need a larger one for them to settle."""

    @property
    def is_led_by_threshold(self) -> bool:
        """True if thresholds bring the density to a target."""
        return self.control == "threshold" and self.target_density is not None

    def __post_init__(self) -> None:
        if self.target_density is not None:
            check(0 < self.target_density <= 1, f"target_density {self.target_density} must be in 0..1")
        check(self.control in CONTROLS, f"sparsity.control {self.control!r}: use {', '.join(CONTROLS)}")
        check(0 <= self.most_dense <= 1, f"sparsity.most_dense {self.most_dense} must be in 0..1")
        check(self.largest_weight > 0, f"sparsity.largest_weight {self.largest_weight} must be positive")
        check(self.weight >= 0, f"sparsity.weight {self.weight} must not be negative")
        check(
            0 <= self.lesson_fraction <= self.dense_fraction,
            f"sparsity.lesson_fraction {self.lesson_fraction} must be in 0..dense_fraction",
        )
        check(
            self.lesson_weight == 0 or (self.lesson_weight > 0 and self.is_led_by_threshold),
            f"sparsity.lesson_weight {self.lesson_weight}: a lesson needs control=threshold and a target_density",
        )
        check(
            self.lesson_weight == 0 or self.lesson_fraction > 0 or self.keep_masks,
            "sparsity.lesson_weight needs a lesson_fraction: heads are taught before masks start (or keep_masks)",
        )
        check(self.temperature_final > 0, f"temperature_final {self.temperature_final} must be positive")
        for name in (
            "dense_fraction",
            "warmup_fraction",
            "temperature_fraction",
            "freeze_fraction",
            "hard_fraction",
        ):
            check(0 <= getattr(self, name) <= 1, f"sparsity.{name} {getattr(self, name)} must be in 0..1")


@dataclass(frozen=True)
class Pruning:
    """Pruning of weights during a fine-tuning (docs/balanced.md)."""

    keep: int = 4
    """Weights kept in every block."""
    block: int = 16
    """Consecutive input channels at one tap of one output channel."""
    pattern: str = "balanced"
    """balanced, or for comparison at the same density: unstructured or block (lab.sparsity.patterns)."""
    method: str = "gradual"
    """gradual: pruned weights are zero from the event that prunes them on. straight_through: all weights are trained,
    the network computes with the kept ones only, and the others decay (SR-STE; Zhou et al., ICLR 2021)."""
    fraction: float = 0.65
    """Share of the steps over which events are spread, or after which method straight_through fixes its choice; 0: all
    pruning happens before the first step."""
    events: int = 10
    """Number of times that method gradual prunes, a little more each time."""
    refit: int = 8
    """Batches over which the kept weights are refitted at an event, to give nearly the outputs of all
    (lab.train.refit); 0: they keep their values. Method gradual only."""
    decay: float = 2e-4
    """Decay of pruned weights with method straight_through, in units of their gradients."""
    first_and_last: bool = False
    """Prune the first and the last layer too: they are small, and sensitive."""

    @property
    def balance(self) -> Balance:
        """The final pattern."""
        return Balance(self.keep, self.block)

    def __post_init__(self) -> None:
        Balance(self.keep, self.block)
        check(self.pattern in PATTERNS, f"pruning.pattern {self.pattern!r}: use {', '.join(PATTERNS)}")
        check(
            self.method in PRUNING_METHODS,
            f"pruning.method {self.method!r}: use {', '.join(PRUNING_METHODS)}",
        )
        check(0 <= self.fraction <= 1, f"pruning.fraction {self.fraction} must be in 0..1")
        check(self.events >= 1, f"pruning.events {self.events} must be at least 1")
        check(self.refit >= 0, f"pruning.refit {self.refit} must not be negative")
        check(self.decay >= 0, f"pruning.decay {self.decay} must not be negative")


@dataclass(frozen=True)
class Recipe:
    """What all training runs have in common; lengths are in optimiser steps.

    The subclass says what is learned: ``EnlargingRecipe`` or ``ClassifyingRecipe``.
    """

    network: str
    """Name in the network registry."""
    steps: int
    folders: tuple[str, ...] = ()
    """Folders of training images, searched recursively."""
    packed: str = ""
    """Packed training set, created if missing; empty: in the run folder."""
    validation: str = ""
    """Folder of validation images, never benchmark images."""
    init_from: str = ""
    """Checkpoint, model file or model name to start from: weights with matching name and shape are used."""
    batch: int = 16
    """Patches or images per process and step."""
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    """Peak learning rate."""
    betas: tuple[float, ...] = (0.9, 0.999)
    """Of Adam; the first is the momentum of sgd."""
    weight_decay: float = 0.0
    schedule: str = "cosine"
    """constant, step (multiplied by ``step_factor`` at each share in ``step_at``), cosine (to 0), one_cycle (up from
    1/25, then cosine to 0), or wsd (constant, then linearly to 0 over the last ``lr_decay_steps``). A wsd run can be
    extended before its decay."""
    lr_warmup_fraction: float = 0.01
    lr_decay_steps: int = 0
    """Length of the decay of schedule wsd."""
    step_at: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    step_factor: float = 0.5
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    sparsity: Sparsity | None = None
    """None for networks without masks."""
    pruning: Pruning | None = None
    """None: all weights are kept."""
    precision: str = "fp32"
    """fp32, or bf16 (autocast), which is faster on hardware with bf16 matrix units."""
    channels_last: bool = True
    compile: bool = False
    seed: int = 1
    log_every: int = 50
    validate_every: int = 1000
    save_every: int = 500

    def __post_init__(self) -> None:
        check_at_least_one(self, "steps", "batch", "log_every", "validate_every", "save_every")
        check_rate("learning_rate", self.learning_rate)
        check(
            0 <= self.weight_decay < math.inf, f"weight_decay {self.weight_decay} must be a number from 0 on"
        )
        check(
            0 <= self.lr_warmup_fraction <= 1, f"lr_warmup_fraction {self.lr_warmup_fraction} must be in 0..1"
        )
        check(0 <= self.seed <= _MOST_SEED, f"seed {self.seed} must be in 0..{_MOST_SEED}")
        check_packed(self.packed)
        check(
            all(0 <= share <= 1 for share in self.step_at), f"step_at {self.step_at} must be shares in 0..1"
        )
        check(self.step_factor > 0, f"step_factor {self.step_factor} must be positive")
        check(self.gradient_clip > 0, f"gradient_clip {self.gradient_clip} must be positive")
        check(0 <= self.ema_decay < 1, f"ema_decay {self.ema_decay} must be in 0..1, below 1")
        check(
            0 <= self.lr_decay_steps <= self.steps,
            f"lr_decay_steps {self.lr_decay_steps} must be in 0..steps",
        )
        check_betas("betas", self.betas)
        check(
            not (self.pruning and self.sparsity) or self.sparsity.freeze_fraction == 0,
            "pruning needs fixed channel masks, which order the weights: set sparsity.freeze_fraction=0",
        )
        check_choices(self, _CHOICES)
