"""Recipe of a network that enlarges images. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesr.lab.train.recipe import Recipe
from sparsesr.lab.train.recipe_checks import check, check_at_least_one, check_choices

LOSSES = ("l1", "l2", "psnr")
DEGRADATIONS = ("bicubic", "photo")


@dataclass(frozen=True, kw_only=True)
class EnlargingRecipe(Recipe):
    """A run on pairs of LR and HR patches. Patch sizes are in LR pixels; the logged L1 is on 0..255."""

    scale: int
    """The trained scale; for a network with several scales, the validated one."""
    lr_patch_px: int = 48
    patch_candidates: int = 1
    """Positions drawn for each patch, of which the one with the most detail is used; 1: any position."""
    scales: tuple[int, ...] = ()
    """Trained scales of a network with several; one is drawn per step."""
    degradation: str = "bicubic"
    """LR patches are made by ``bicubic``, as in benchmarks, or ``photo`` (lab.data.degradation): random downscaling
    kernels, blur, noise and compression."""
    noise_sigma_max: float = 0.0
    """Upper bound of the noise on LR patches (standard deviation of 255); the level is drawn per sample."""
    validation_sigma: float = 0.0
    """Noise on LR validation images (standard deviation of 255), the same in every validation."""
    masked: bool = False
    """Put a learned mask on the convolutions of a searched network; ``sparsity`` trains it."""
    teacher: str = ""
    """Checkpoint, model file or model name of a network whose results are the target instead of HR; empty: none."""
    loss: str = "l1"
    """l1 or l2: mean absolute or mean squared error on 0..1; psnr: the mean PSNR of the patches, in which easy patches
    weigh as much as hard ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_one(self, "lr_patch_px", "patch_candidates")
        check(self.lr_patch_px % 2 == 0, f"lr_patch_px {self.lr_patch_px} must be even")
        check(
            not self.scales or self.scale in self.scales,
            f"scales {self.scales} must include scale {self.scale}",
        )
        check(
            not (self.scales and self.packed),
            "several scales are packed in the run folder, one file each: do not set packed",
        )
        for name in ("noise_sigma_max", "validation_sigma"):
            check(0 <= getattr(self, name) <= 255, f"{name} {getattr(self, name)} must be in 0..255")
        check(not (self.teacher and self.scales), "a teacher has one scale: set scales empty")
        check(not self.masked or self.sparsity is not None, "masked needs sparsity, which trains the mask")
        check(not self.scales or self.degradation == "bicubic", "several scales need degradation=bicubic")
        check_choices(self, {"loss": LOSSES, "degradation": DEGRADATIONS})
