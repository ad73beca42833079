"""Runs a recipe: ``python -m recipes.run smsr_s_x2_short PICTURES RUN_FOLDER [--steps N] [--max-minutes M]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipes.smsr import smsr_s_x2_short
from sparsesr.lab.train.loop import train

RECIPES = {"smsr_s_x2_short": smsr_s_x2_short}


def main() -> None:
    """Parse the command line and train; running the same command again goes on where it stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("pictures", type=Path, help="folder with train/photos, train/frames and val")
    parser.add_argument("run_folder", type=Path, help="where checkpoints and the log go")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--max-minutes", type=float)
    chosen = parser.parse_args()
    recipe = RECIPES[chosen.recipe](chosen.pictures, chosen.steps)
    train(recipe, chosen.run_folder, max_minutes=chosen.max_minutes)


if __name__ == "__main__":
    main()
