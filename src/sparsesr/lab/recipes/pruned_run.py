"""Start and end of ``sparsesr prune``: from a model or checkpoint to a recipe, and from the run to a model file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from sparsesr.errors import ModelError, UsageError, Wording
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.importer import convert_checkpoint, load_network
from sparsesr.lab.export.restore import restore_network
from sparsesr.lab.nn.channel_order import deal_channels
from sparsesr.lab.nn.masked_network import with_masks
from sparsesr.lab.nn.registry import create
from sparsesr.lab.recipes.pruning import pruning_recipe
from sparsesr.lab.sparsity.balance import Balance
from sparsesr.lab.train import checkpoint
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.loop import CHECKPOINT, make_run_folder
from sparsesr.lab.train.mask_density import mask_density
from sparsesr.lab.train.overrides import with_overrides
from sparsesr.lab.train.prunable import prunable_weights
from sparsesr.lab.train.recipe import Pruning
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.spec import Facts, ModelFile
from sparsesr.modelfile.writer import write_model

START = "unpruned.safetensors"
_TARGET = "sparsity.target_density"


def recipe_of_resumed(
    source: str, run_folder: Path, balance: Balance, folders: Sequence[str], settings: Sequence[str]
) -> EnlargingRecipe:
    """The recipe of the run in this folder, with changed settings; whether they may change is checked later.

    Without ``folders``, the run's own stay.

    Raises:
        UsageError: the run prunes another model than ``source``.
        ModelError: the checkpoint or a model cannot be read.
    """
    recipe = checkpoint.stored_recipe(run_folder / CHECKPOINT, EnlargingRecipe)
    start = catalogue.load(run_folder / START).facts
    if _identity(start) != _identity(_starting_model(source).facts):
        raise UsageError(
            f"holds a run that prunes another model than {source}",
            where=str(run_folder),
            remedy=Wording("name the model of the run, or choose another {}", "output"),
        )
    pattern = [f"pruning.keep={balance.keep}", f"pruning.block={balance.block}"]
    return with_overrides(replace(recipe, folders=tuple(folders) or recipe.folders), [*pattern, *settings])


def recipe_of_new(
    source: str,
    run_folder: Path,
    balance: Balance,
    folders: Sequence[str],
    settings: Sequence[str],
    report: Callable[[str], None],
) -> EnlargingRecipe:
    """A recipe that prunes ``source``, which is copied into the new run folder in the runtime's order of channels.

    Strong and weak channels are dealt to all blocks first. Training then sees the blocks that the runtime multiplies.
    The masks keep the density that they have.

    Raises:
        UsageError: the folder holds a run, or a setting is wrong.
        ModelError: the source cannot be read, or is a network that cannot be pruned.
        InputError: no usable images.
    """
    model = _starting_model(source)
    name, network = _network(model, source)
    make_run_folder(run_folder, resume=False)
    deal_channels(network, _width(network), balance.block)
    start = export(network, "unpruned", check=False)
    write_model(run_folder / START, model.facts, start.graph, start.tensors)
    recipe = pruning_recipe(
        name,
        model.facts.scale,
        str(run_folder / START),
        balance,
        with_masks(network) is not None,
        model.facts.name,
    )
    recipe = with_overrides(replace(recipe, folders=tuple(folders)), settings)
    if recipe.sparsity is None or any(setting.partition("=")[0].strip() == _TARGET for setting in settings):
        return recipe
    density = mask_density(network, recipe, run_folder, report)
    report(f"masks keep {density:.3f} of the training patches, and are trained to go on so")
    return replace(recipe, sparsity=replace(recipe.sparsity, target_density=density))


def _starting_model(source: str) -> ModelFile:
    if Path(source).suffix in checkpoint.CHECKPOINT_SUFFIXES:
        return convert_checkpoint(Path(source), "unpruned", check=False)
    return catalogue.load(source)


def _identity(facts: Facts) -> tuple[object, ...]:
    """What tells models apart; costs may have been measured since."""
    return facts.name, facts.architecture, facts.scale, facts.description, facts.training


def _network(model: ModelFile, source: str) -> tuple[str, nn.Module]:
    try:
        name, state = restore_network(model)
    except ModelError:
        raise ModelError(
            "cannot be pruned: it is no network of this package, or export merges its weights",
            where=source,
            remedy="prune an SMSR or a Skim",
        ) from None
    network = create(name)
    network.load_state_dict(state)
    return name, network


def _width(network: nn.Module) -> int:
    """Most frequent number of input channels of the layers to prune."""
    counts = Counter(
        weight.shape[1] for weight in prunable_weights(network, Pruning(pattern="unstructured")).values()
    )
    return counts.most_common(1)[0][0]


def pruned_model(run_folder: Path, name: str) -> ModelFile:
    """The model file of a finished run, checked against its network.

    Raises:
        ModelError: the checkpoint, or the model that the run started from, cannot be read; network and file disagree.
    """
    path = run_folder / CHECKPOINT
    recipe = checkpoint.stored_recipe(path, EnlargingRecipe)
    if recipe.pruning is None:
        raise ModelError("this run does not prune", where=str(run_folder), remedy="use `sparsesr export`")
    start = catalogue.load(run_folder / START).facts
    architecture, network = load_network(path)
    balance = recipe.pruning.balance
    return export(
        network,
        name,
        architecture=architecture,
        license=start.license,
        description=f"{start.name}, with {balance.keep} of every {balance.block} weights of its inner layers.",
        training={"pruned_from": start.name, "pattern": recipe.pruning.pattern, "steps": recipe.steps},
    )
