"""Options that ``train`` and ``search`` share: a recipe, its images and settings, and the run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sparsesr.cli.messages import print_json
from sparsesr.errors import UsageError

if TYPE_CHECKING:
    from sparsesr.lab.train.recipe import Recipe

INTERRUPTED = 130
"""Exit status of an interrupted run."""
AnyRecipe = TypeVar("AnyRecipe", bound="Recipe")

RecipeName = Annotated[
    str | None, typer.Argument(metavar="RECIPE", help="Name of a recipe, or FILE.py:FUNCTION.")
]
Folders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FOLDER...", help="Folders of training images. [default: the recipe's]"),
]
ValidationFolder = Annotated[
    Path | None, typer.Option("--validation", help="Folder of validation images. [default: the recipe's]")
]
RunFolder = Annotated[
    Path | None, typer.Option("-o", "--output", help="Folder of the run. [default: runs/NETWORK]")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe; repeatable."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Resume the run in the output folder.")]
MaxMinutes = Annotated[float | None, typer.Option("--max-minutes", help="Save and stop after this time.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Show = Annotated[bool, typer.Option("--list", help="List all recipes, or show the settings of RECIPE.")]


def chosen_recipe(
    name: str | None,
    verb: str,
    recipes: Iterable[str],
    find: Callable[[str], AnyRecipe],
    images_and_settings: tuple[Sequence[Path] | None, Path | None, Sequence[str] | None],
    *,
    show: bool,
) -> AnyRecipe | None:
    """The named recipe as the command line changes it; None if ``--list`` asked only to print it, or all names."""
    if name is None:
        if not show:
            raise UsageError("name a recipe", remedy=f"`sparsesr {verb} --list` lists them")
        print("\n".join(recipes))
        return None
    chosen = _adapted(find(name), *images_and_settings)
    if show:
        print_json(asdict(chosen))
        return None
    return chosen


def _adapted(
    recipe: AnyRecipe, folders: Sequence[Path] | None, validation: Path | None, settings: Sequence[str] | None
) -> AnyRecipe:
    """The recipe with the images and settings of the command line."""
    from sparsesr.lab.train.overrides import with_overrides

    if folders:
        recipe = replace(recipe, folders=tuple(map(str, folders)))
    if validation is not None:
        recipe = replace(recipe, validation=str(validation))
    return with_overrides(recipe, settings or ())


def report(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)
