"""``sparsesr duplicates``: find training images that occur in evaluation sets, too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli.run_options import report
from sparsesr.cli.training_extra import require_training_extra
from sparsesr.errors import InputError

_FOUND_STATUS = 3
"""Images occur again, or cannot be read."""


def run(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Training images, searched recursively.")
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            metavar="FOLDER",
            help="Images that must not be among them; repeat it. [default: FOLDERs are searched for pairs]",
        ),
    ] = None,
) -> int:
    """Find pictures that occur twice: in another size, format or crop, rotated or mirrored.

    Every pair is printed with its likeness, the correlation of gradients: near 1 for copies. Below 0.85, look at both:
    bricks, or a horizon and nothing else, may be alike. The exit status is 3 if there are pairs or unreadable images.
    """
    require_training_extra("duplicates")
    from sparsesr.lab.data.pack import image_paths
    from sparsesr.lab.data.repeated_pictures import find_repeated

    candidates = list(image_paths(folders))
    references = None if against is None else list(image_paths(against))
    for what, paths in (("training images", candidates), ("images to compare with", references)):
        if paths is not None and not paths:
            raise InputError(f"no {what} found", remedy="give folders with PNG, JPEG, WebP or TIFF files")
    result = find_repeated(candidates, references)
    for error in result.unreadable:
        report(f"skipped: {error}")
    for pair in result.pairs:
        print(f"{pair.candidate}: like {pair.reference} (likeness {pair.likeness:.2f})")
    print(f"{len(result.pairs)} pairs among {result.compared} images", file=sys.stderr)
    return _FOUND_STATUS if result.pairs or result.unreadable else 0
