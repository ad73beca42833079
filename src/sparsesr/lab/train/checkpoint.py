"""Checkpoints: everything that a run needs to go on, written atomically."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sparsesr.errors import ModelError
from sparsesr.image.destination import atomic_file
from sparsesr.lab.train.recipe import Recipe


def save(path: Path, recipe: Recipe, step: int, **states: dict[str, Any]) -> None:
    """Write ``step`` and the state dicts; the old checkpoint stays whole until the new one is."""
    with atomic_file(path, overwrite=True) as file:
        torch.save({"recipe": asdict(recipe), "step": step, **states}, file)


def load(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Read a checkpoint of this recipe; ModelError if it belongs to another network."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        network = stored["recipe"]["network"]
    except Exception as error:
        raise ModelError(f"{path}: not a training checkpoint ({type(error).__name__})") from error
    if network != recipe.network:
        raise ModelError(
            f"{path}: trains {network}, the recipe wants {recipe.network}; choose another folder"
        )
    return stored
