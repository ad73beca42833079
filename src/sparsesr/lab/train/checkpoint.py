"""Training checkpoints: the full state of a run, written atomically; ``ema`` holds the weights to ship."""

from __future__ import annotations

import copy
import hashlib
import io
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from sparsesr import __version__
from sparsesr.errors import ModelError, Wording
from sparsesr.image.destination import atomic_file
from sparsesr.lab.export.checkpoint import SUFFIXES, without_parallel_prefix
from sparsesr.lab.export.checkpoint_reader import WRAPPERS
from sparsesr.lab.export.restore import restore_state
from sparsesr.lab.nn.network import AdaptsWeights
from sparsesr.lab.train.recipe import Pruning, Recipe, Sparsity
from sparsesr.modelfile.catalogue import SUFFIX as MODEL_SUFFIX
from sparsesr.modelfile.catalogue import load as load_model

FORMAT = 2
# Settings that may change when a run is resumed: paths, intervals, number formats, length, and density pressure.
_MAY_CHANGE = frozenset(
    (
        *("folders", "packed", "validation", "init_from", "steps", "lr_decay_steps", "lr_warmup_fraction"),
        *("log_every", "validate_every", "save_every", "compile", "channels_last", "precision"),
        *("sparsity.weight", "sparsity.largest_weight", "sparsity.module_floor"),
    )
)
_FILES = ("network", "teacher", "search.latency_table")
"""Settings that may name files: these may lie elsewhere when a run is resumed, but must be the same."""
_RENAMED = {"halve_at": "step_at"}
_SHOWN = 3
CHECKPOINT_SUFFIXES = set(SUFFIXES) - {MODEL_SUFFIX}


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def save(path: Path, recipe: Recipe, step: int, **states: Any) -> None:
    """Write ``step`` and the states; the old checkpoint stays intact until the new one is complete.

    Raises:
        InputError: it cannot be written (a full disk); no partial file remains.
    """
    kept = asdict(_with_absolute_places(recipe))
    write(path, {"format": FORMAT, "version": __version__, "recipe": kept, "step": step, **states})


def _with_absolute_places(recipe: Recipe) -> Recipe:
    """The recipe whose images are found from any working directory."""

    def absolute(path: str) -> str:
        return str(Path(path).absolute()) if path else ""

    return replace(
        recipe,
        folders=tuple(map(absolute, recipe.folders)),
        packed=absolute(recipe.packed),
        validation=absolute(recipe.validation),
    )


def contents(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of the files that a recipe names and that its run depends on, by setting."""
    named = {key: Path(value) for key, value in _flat(asdict(recipe)).items() if key in _FILES}
    return {
        key: hashlib.sha256(path.read_bytes()).hexdigest()
        for key, path in named.items()
        if path.suffix and path.is_file()
    }


def write(path: Path, written: dict[str, Any]) -> None:
    """Write a file for ``torch.load``; an old one stays intact until it is complete. InputError as :func:`save`."""
    buffer = io.BytesIO()  # torch.save to a file hides a full disk behind its own errors
    torch.save(written, buffer)
    with atomic_file(path, overwrite=True) as file:
        file.write(buffer.getbuffer())


def load(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Read a checkpoint of this recipe.

    Raises:
        ModelError: it is damaged, or was made by another version or with another recipe.
    """
    stored = _read(path)
    if stored.get("format") != FORMAT or not isinstance(stored.get("recipe"), dict):
        raise ModelError(
            "not a checkpoint of this sparsesr version",
            where=str(path),
            remedy=Wording(
                f"start in another folder with {{}}={path} to reuse its weights", "recipe.init_from"
            ),
        )
    different = _differences(stored, recipe)
    if different:
        shown = ", ".join(different[:_SHOWN])
        more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
        raise ModelError(
            f"was made with another recipe ({shown}{more})",
            where=str(path),
            remedy=Wording(
                f"resume with the same settings, or start in another folder with {{}}={path}",
                "recipe.init_from",
            ),
        )
    return stored


def _differences(stored: dict[str, Any], recipe: Recipe) -> list[str]:
    """Settings that must not change and did, with both values."""
    ours, theirs = _flat(asdict(recipe)), _flat(_completed(_renamed(stored["recipe"]), recipe))
    our_files, their_files = contents(recipe), stored.get("contents", {})
    found: list[str] = []
    for key in sorted(ours | theirs):
        if key in our_files and key in their_files:
            if our_files[key] != their_files[key]:
                found.append(f"{key}: {ours[key]} has other content")
        elif key not in _MAY_CHANGE and theirs.get(key) != ours.get(key):
            found.append(f"{key} {theirs.get(key)!r} -> {ours.get(key)!r}")
    return found


def stored_facts(path: Path) -> dict[str, Any]:
    """What the task of a run says about its weights (:meth:`sparsesr.lab.train.task.Task.facts`).

    Raises:
        ModelError: it cannot be read.
    """
    return _read(path).get("facts", {})


def check_facts(stored: Mapping[str, Any], facts: Mapping[str, Any], path: Path) -> None:
    """Raise ModelError if a run is resumed with other ``facts`` than its checkpoint has."""
    different = [name for name, value in facts.items() if stored.get("facts", facts).get(name) != value]
    if different:
        raise ModelError(
            f"was trained with other {' and '.join(different)}",
            where=str(path),
            remedy="train on the images of the run, or start in another folder",
        )


def stored_recipe(path: Path, kind: type[AnyRecipe]) -> AnyRecipe:
    """The recipe, of this kind, that a checkpoint was made with.

    Raises:
        ModelError: it cannot be read, or was made with a recipe of another kind or version.
    """
    stored: Any = _read(path).get("recipe")
    try:
        settings: dict[str, Any] = _renamed(stored)
        for name, group in (("sparsity", Sparsity), ("pruning", Pruning)):
            settings[name] = group(**settings[name]) if settings.get(name) else None
        return kind(**settings)
    except TypeError:
        raise ModelError(
            f"was not made with a {kind.__name__} of this sparsesr version", where=str(path)
        ) from None


def _renamed(settings: dict[str, Any]) -> dict[str, Any]:
    """Stored settings under their present names."""
    return {_RENAMED.get(name, name): value for name, value in settings.items()}


def _completed(stored: dict[str, Any], settings: Any) -> dict[str, Any]:
    """Stored settings, and those newer than the checkpoint with their defaults: it behaved as they do."""
    completed = dict(stored)
    for field in fields(settings):
        own, found = getattr(settings, field.name), stored.get(field.name, MISSING)
        if is_dataclass(own) and isinstance(found, dict):
            completed[field.name] = _completed(found, own)
        elif found is MISSING:
            completed |= _default(field)
    return completed


def _default(field: Field[Any]) -> dict[str, Any]:
    """The field's name with its default; empty if it has none."""
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if value is MISSING:
        return {}
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    return {field.name: value}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted keys, such as ``sparsity.target_density``."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such checkpoint; check the name") from None
    except Exception as error:
        raise ModelError(f"{path}: not a training checkpoint ({type(error).__name__}), or damaged") from error
    if not isinstance(stored, dict):
        raise ModelError(f"{path}: not a training checkpoint; it holds no named weights")
    return stored


def warm_start(network: nn.Module, source: str) -> list[str]:
    """Load all weights whose name and shape match; returns the names of the network's remaining weights.

    ``source``: a checkpoint of a run (its averaged weights), a dictionary with weights under a usual name such as
    ``state_dict``, a plain state dict, a model file, or a model name.

    A network that adapts weights can also start from a related one, such as a narrower one.

    Raises:
        ModelError: it cannot be read, or no weight matches.
    """
    found = _weights_of(source, network)
    if isinstance(network, AdaptsWeights):
        found = network.adapted(found)
    own = network.state_dict()
    fitting = {
        name: value
        for name, value in found.items()
        if isinstance(value, torch.Tensor) and name in own and own[name].shape == value.shape
    }
    if not fitting:
        raise ModelError(f"{source}: none of its weights fits the network; it belongs to another one")
    network.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]


def _weights_of(source: str, network: nn.Module) -> Mapping[str, Any]:
    if Path(source).suffix not in CHECKPOINT_SUFFIXES:
        return restore_state(load_model(source), [lambda: copy.deepcopy(network).cpu()])
    stored = _read(Path(source))
    return without_parallel_prefix(
        next((stored[key] for key in WRAPPERS if isinstance(stored.get(key), dict)), stored)
    )
