"""A search from recipe to results: prices, the run, and the network that it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsesr.errors import ModelError
from sparsesr.image.destination import atomic_file
from sparsesr.lab.export.exporter import export
from sparsesr.lab.nn.genotype import Genotype
from sparsesr.lab.nn.searched import Searched
from sparsesr.lab.search.latency import prices_of
from sparsesr.lab.search.method import SearchMethod
from sparsesr.lab.search.prices import COUNTED, Counted, Prices, price_of
from sparsesr.lab.search.recipe import SearchRecipe
from sparsesr.lab.search.supernet import Supernet
from sparsesr.lab.train import checkpoint
from sparsesr.lab.train.loop import Outcome, make_run_folder, train
from sparsesr.modelfile.writer import write_model

GENOTYPE, DERIVED, MODEL = "genotype.json", "derived.pt", "derived.safetensors"


@dataclass(frozen=True)
class SearchOutcome:
    """Result of a call of :func:`search`."""

    run: Outcome
    genotype: Genotype | None = None
    """None unless all steps are done."""
    prices: dict[str, float] | None = None
    """Of the found network: multiply-adds per LR pixel, parameters, and milliseconds if these led the search."""


def search(
    recipe: SearchRecipe,
    run_folder: Path,
    *,
    resume: bool = False,
    report: Callable[[str], None] = print,
    **options: Any,
) -> SearchOutcome:
    """Search until the last step or until the ``ending`` among the options is due; the state is saved either way.

    Beside the files of a training run, the folder gets ``genotype.json``, ``derived.pt`` (the found network with the
    supernet's averaged weights) and, if the runtime has all its operations, ``derived.safetensors``.

    Args:
        recipe: the search.
        run_folder: folder of the run.
        resume: continue the run in the folder.
        report: takes lines of progress.
        options: those of :func:`sparsesr.lab.train.loop.train`.

    Raises:
        UsageError, InputError, ModelError: as :func:`sparsesr.lab.train.loop.train` and :func:`prices_of`.
    """
    make_run_folder(run_folder, resume)
    prices = prices_of(recipe, run_folder, report)
    method = SearchMethod(prices)
    run = train(recipe, run_folder, method=method, resume=resume, report=report, **options)
    if not run.finished:
        return SearchOutcome(run)
    derived = derive(recipe, run.checkpoint)
    _write(recipe, run_folder, derived, report)
    return SearchOutcome(run, derived.config, prices_of_found(derived.config, recipe, prices))


def derive(recipe: SearchRecipe, path: Path) -> Searched:
    """The network that a search's checkpoint holds, with its averaged weights."""
    supernet = Supernet(recipe.space, recipe.scale, recipe.search.variant)
    supernet.load_state_dict(checkpoint.load(path, recipe)["ema"])
    return supernet.derive().eval()


def prices_of_found(genotype: Genotype, recipe: SearchRecipe, prices: Prices) -> dict[str, float]:
    """What the found network costs, in all units that are known."""
    known: dict[str, Prices] = {
        unit: Counted(unit, genotype.family, genotype.channels, genotype.scale) for unit in COUNTED
    }
    return {
        unit: price_of(genotype, each) for unit, each in {**known, recipe.search.objective: prices}.items()
    }


def _write(recipe: SearchRecipe, folder: Path, derived: Searched, report: Callable[[str], None]) -> None:
    genotype = derived.config
    with atomic_file(folder / GENOTYPE, overwrite=True) as file:
        file.write(genotype.to_json().encode())
    checkpoint.write(folder / DERIVED, {"ema": derived.state_dict()})
    report(f"found:\n{genotype.drawn()}")
    try:
        model = export(derived, recipe.network)
    except ModelError as error:
        report(f"no model file: {error}")
        return
    write_model(folder / MODEL, model.facts, model.graph, model.tensors)
