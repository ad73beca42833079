"""Recipe of a network that classifies images. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesr.lab.train.recipe import Recipe
from sparsesr.lab.train.recipe_checks import check, check_choices

DATASETS = ("folder", "digits")


@dataclass(frozen=True, kw_only=True)
class ClassifyingRecipe(Recipe):
    """A run on labelled images, all of one size."""

    dataset: str = "folder"
    """folder: the recipe's folder holds one folder per class, or such a folder named ``train``. digits: the 1,797
    digits of scikit-learn, enlarged to the network's size."""
    held_out: int = 5000
    """Training images that are not trained on: they are validated, and thresholds of exits are fitted on them. They
    are always read as they are."""
    crop_padding_px: int = 4
    """Training images are padded with black by this much and cropped at random to their size; 0: as they are."""
    flip: bool = True
    """Mirror half of the training images."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.held_out >= 1, f"held_out {self.held_out} must be at least 1")
        check(self.crop_padding_px >= 0, f"crop_padding_px {self.crop_padding_px} must not be negative")
        check(len(self.folders) <= 1, "classes are in one folder; name one")
        check(not self.validation, "a classifier is validated on the images that held_out sets aside")
        check_choices(self, {"dataset": DATASETS})
