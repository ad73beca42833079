"""What fully describes a training run. Imports no torch, so that recipes can be listed without it."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesr.errors import UsageError

OPTIMIZERS = ("adam", "adamw", "muon")
SCHEDULES = ("constant", "step", "cosine", "one_cycle", "wsd")
PRECISIONS = ("fp32", "bf16")
LOSSES = ("l1", "l2")
DEGRADATIONS = ("bicubic", "photo")
CONTROLS = ("weight", "threshold")
_CHOICES = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "loss": LOSSES,
    "degradation": DEGRADATIONS,
}


@dataclass(frozen=True)
class Sparsity:
    """How masks are trained. Fractions are of the whole run; densities are *kept* fractions.

    The run begins with all masks open (``dense_fraction``); at its end mask heads may take a lesson. Then masks begin,
    most pixels kept; the temperature falls, and the pressure on the density rises. With ``target_density`` the density
    follows a line from 1 to the target; ``control`` says what is moved for that. Without, there is the paper's constant
    weight after a warm-up.
    """

    target_density: float | None = None
    """Kept fraction that is asked for; None: constant ``weight``."""
    control: str = "weight"
    """What leads to the target. ``weight``: the weight of the density in the loss. ``threshold``: the bias of the mask
    heads, with a constant ``weight``; what is learned then is which pixels come first. Sure and fast."""
    most_dense: float = 1.0
    """With ``control`` threshold: at most this share of a module's channels becomes dense. Without a bound, channels
    that are always computed may take the whole density, and no pixel be left to choose."""
    weight: float = 0.1
    """Weight of the density in the paper's unit, beside an L1 loss on 0..255, where it is not controlled."""
    largest_weight: float = 10.0
    """Bound of the weight that is controlled to reach the target."""
    dense_fraction: float = 0.0
    """This share of the steps is trained without any mask: one convolution per layer, no noise."""
    lesson_weight: float = 0.0
    """Weight of an auxiliary loss of the mask heads (where does interpolation fail?) in the paper's unit; 0: none. With
    ``control`` threshold only, which says how many pixels are important; the lesson says which come first."""
    lesson_fraction: float = 0.0
    """The lesson begins so long, as a share of all steps, before the dense steps end."""
    keep_masks: bool = False
    """Masks begin as the initial weights have them (a model with trained masks), not anew with most pixels kept."""
    warmup_fraction: float = 0.05
    """The weight rises over this share of the steps, the target falls over it, from the beginning of the masks."""
    temperature_final: float = 0.4
    temperature_fraction: float = 0.3
    """The temperature falls from 1 over this share of the steps, from the beginning of the masks."""
    freeze_fraction: float = 0.6
    """After this share of the steps channel masks are hard: half the work of a masked layer."""
    hard_fraction: float = 1.0
    """After this share of the steps spatial masks are hard too, with straight-through gradients: what evaluation sees
    is what the last steps train."""
    straight_through: bool = True
    """Whether gradients pass through hard masks. Without, mask heads learn from the lesson alone, and a step of Skim on
    a processor with AMX takes half the time."""
    module_floor: float = 0.15
    """A module below this density is pulled up, while its logits are still small: nothing should close for good."""
    channel_lr_factor: float = 1.0
    """Learning rate of the channel masks, relative to the others': short runs need more for them to settle."""

    @property
    def is_led_by_threshold(self) -> bool:
        """The density is led to a target by thresholds."""
        return self.control == "threshold" and self.target_density is not None

    def __post_init__(self) -> None:
        if self.target_density is not None:
            _check(0 < self.target_density <= 1, f"target_density {self.target_density} must be in 0..1")
        _check(self.control in CONTROLS, f"sparsity.control {self.control!r}: use {', '.join(CONTROLS)}")
        _check(0 <= self.most_dense <= 1, f"sparsity.most_dense {self.most_dense} must be in 0..1")
        _check(self.largest_weight > 0, f"sparsity.largest_weight {self.largest_weight} must be positive")
        _check(self.weight >= 0, f"sparsity.weight {self.weight} must not be negative")
        _check(
            0 <= self.lesson_fraction <= self.dense_fraction,
            f"sparsity.lesson_fraction {self.lesson_fraction} must be in 0..dense_fraction",
        )
        _check(
            self.lesson_weight == 0 or (self.lesson_weight > 0 and self.is_led_by_threshold),
            f"sparsity.lesson_weight {self.lesson_weight}: a lesson needs control=threshold and a target_density",
        )
        _check(
            self.lesson_weight == 0 or self.lesson_fraction > 0 or self.keep_masks,
            "sparsity.lesson_weight needs a lesson_fraction: heads are taught before masks begin (or keep_masks)",
        )
        _check(self.temperature_final > 0, f"temperature_final {self.temperature_final} must be positive")
        for name in (
            "dense_fraction",
            "warmup_fraction",
            "temperature_fraction",
            "freeze_fraction",
            "hard_fraction",
        ):
            _check(0 <= getattr(self, name) <= 1, f"sparsity.{name} {getattr(self, name)} must be in 0..1")


@dataclass(frozen=True)
class Recipe:
    """A training run. Lengths are optimiser steps; patch sizes are LR pixels; the L1 that is logged is on 0..255."""

    network: str
    """Name in the registry of networks."""
    scale: int
    """What is trained; of a network for several scales, what is validated."""
    steps: int
    folders: tuple[str, ...] = ()
    """Folders of training pictures, searched deeply."""
    packed: str = ""
    """File that the pictures are packed into, made when it is missing; none: in the run's folder."""
    validation: str = ""
    """Folder of validation pictures, never benchmark pictures; none: no validation."""
    init_from: str = ""
    """Checkpoint, model file or name of a model to take weights from: all of equal name and shape."""
    batch: int = 16
    """Patches per process and step."""
    lr_patch_px: int = 48
    scales: tuple[int, ...] = ()
    """Of a network for several scales: those that are trained, one drawn for each step."""
    degradation: str = "bicubic"
    """How LR patches are made: bicubic, as benchmarks are; or photo (lab.data.degradation), shrunk and compressed in
    many ways."""
    noise_sigma_max: float = 0.0
    """Noise on the small pictures, of a level drawn per sample from 0 to this (of 255)."""
    validation_sigma: float = 0.0
    """Noise on the small pictures of the validation, always the same."""
    loss: str = "l1"
    """l1 or l2: mean absolute, or mean squared, difference on 0..1."""
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    """Its peak."""
    betas: tuple[float, ...] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: str = "cosine"
    """constant, step (halved at ``halve_at``), cosine (to 0), one_cycle (from 1/25 up, then cosine to 0), or wsd
    (constant, then linearly to 0 over the last ``lr_decay_steps``). A wsd run can be prolonged before its decay."""
    lr_warmup_fraction: float = 0.01
    lr_decay_steps: int = 0
    """Of the schedule wsd."""
    halve_at: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    sparsity: Sparsity | None = None
    """None for networks without masks."""
    precision: str = "fp32"
    """fp32, or bf16 (autocast): faster where the hardware multiplies bf16 faster."""
    channels_last: bool = True
    compile: bool = False
    seed: int = 1
    log_every: int = 50
    validate_every: int = 1000
    save_every: int = 500

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "lr_patch_px", "log_every", "validate_every", "save_every"):
            _check(getattr(self, name) >= 1, f"{name} {getattr(self, name)} must be at least 1")
        _check(self.lr_patch_px % 2 == 0, f"lr_patch_px {self.lr_patch_px} must be even")
        _check(self.learning_rate > 0, f"learning_rate {self.learning_rate} must be positive")
        _check(self.gradient_clip > 0, f"gradient_clip {self.gradient_clip} must be positive")
        _check(0 <= self.ema_decay < 1, f"ema_decay {self.ema_decay} must be in 0..1, below 1")
        _check(
            0 <= self.lr_decay_steps <= self.steps,
            f"lr_decay_steps {self.lr_decay_steps} must be in 0..steps",
        )
        _check(len(self.betas) == 2, "betas are two numbers")
        _check(
            not self.scales or self.scale in self.scales, f"scales {self.scales} must hold scale {self.scale}"
        )
        _check(
            not (self.scales and self.packed),
            "scales are packed in the run's folder, one file each: leave packed out",
        )
        for name in ("noise_sigma_max", "validation_sigma"):
            _check(0 <= getattr(self, name) <= 255, f"{name} {getattr(self, name)} must be in 0..255")
        _check(
            not self.scales or self.degradation == "bicubic", "several scales are trained with bicubic only"
        )
        for name, known in _CHOICES.items():
            _check(getattr(self, name) in known, f"{name} {getattr(self, name)!r}: use {', '.join(known)}")


def _check(is_good: bool, message: str) -> None:
    if not is_good:
        raise UsageError(f"recipe: {message}")
