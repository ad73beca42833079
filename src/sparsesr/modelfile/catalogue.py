"""Models by name: those bundled with the package, and the user's own in a folder.

Bundled models are the entries of ``sparsesr/models/index.json``, in order of preference::

    {"models": [{"name": ..., "file": ..., "scale": ..., "sha256": ..., "description": ...}, ...]}

A model with ``"jpeg_quality_up_to": 85`` is the default for JPEG files of that quality or less.

A bundled model takes precedence over a user's model of the same name; :func:`install_model` refuses such names.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import sparsesr
from sparsesr.errors import ModelError
from sparsesr.modelfile import json_fields as fields
from sparsesr.modelfile.json_fields import Json, shown
from sparsesr.modelfile.platform_folders import user_models_dir
from sparsesr.modelfile.reader import read_description, read_model
from sparsesr.modelfile.spec import ModelFile
from sparsesr.modelfile.validation import is_model_name
from sparsesr.modelfile.writer import write_model

__all__ = [
    "ModelEntry",
    "default_model_for",
    "install_model",
    "list_models",
    "load",
    "resolve",
    "user_models_dir",
    "verify",
]

SUFFIX = ".safetensors"
FOREIGN_SUFFIXES = (".pt", ".pth", ".ckpt", ".onnx")
BUNDLED, USER = "bundled", "user"
_JPEGS = "jpeg_quality_up_to"


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be loaded by name."""

    name: str
    path: Path
    origin: str
    """``bundled`` or ``user``."""
    sha256: str | None = None
    """Expected hash of the file; known for bundled models only."""
    scale: int | None = None
    """Scale as the index gives it; None for the user's models, whose files must be opened."""
    description: str = ""
    jpeg_quality_up_to: int | None = None
    """The model is preferred for JPEG files of at most this quality; None: it is not made for them."""

    def is_for_jpeg(self, quality: int | None) -> bool:
        """True if it is preferred for JPEG files of this quality; None: other images."""
        return (
            quality is not None and self.jpeg_quality_up_to is not None and quality <= self.jpeg_quality_up_to
        )


def bundled_models_dir() -> Path:
    """Folder of the bundled models."""
    return Path(sparsesr.__file__).parent / "models"


def list_models() -> list[ModelEntry]:
    """List all named models, bundled ones first, then the user's by name. Opens no model file.

    Raises:
        ModelError: the index of bundled models is damaged, or the user's folder cannot be read.
    """
    bundled = _bundled_models()
    taken = {entry.name for entry in bundled}
    return bundled + [entry for entry in _user_models() if entry.name not in taken]


def _bundled_models() -> list[ModelEntry]:
    folder = bundled_models_dir()
    try:
        text = (folder / "index.json").read_bytes()
    except FileNotFoundError:
        return []
    index = fields.as_object(fields.parse(text, "the index of bundled models"), "the index of bundled models")
    return [_bundled_entry(folder, item) for item in fields.sequence(index, "models", "the index")]


def _bundled_entry(folder: Path, item: Json) -> ModelEntry:
    where = "the index of bundled models"
    data = fields.as_object(item, where)
    return ModelEntry(
        name=fields.text(data, "name", where),
        path=folder / fields.text(data, "file", where),
        origin=BUNDLED,
        sha256=fields.text(data, "sha256", where),
        scale=fields.integer(data, "scale", where),
        description=fields.text(data, "description", where),
        jpeg_quality_up_to=fields.integer(data, _JPEGS, where) if _JPEGS in data else None,
    )


def _user_models() -> list[ModelEntry]:
    folder = user_models_dir()
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ModelError(f"{folder}: cannot list your models: {error.strerror}") from None
    return [ModelEntry(path.stem, path, USER) for path in paths if _can_be_named(path.stem)]


def _can_be_named(name: str) -> bool:
    """True unless :func:`resolve` would take the name for that of a file."""
    return is_model_name(name) and Path(name).suffix not in (SUFFIX, *FOREIGN_SUFFIXES)


def load(name_or_path: str | os.PathLike[str]) -> ModelFile:
    """Read a model by name, or from a ``.safetensors`` file.

    Raises:
        ModelError: no such model (the message lists the known ones), or the file is refused.
    """
    return read_model(resolve(name_or_path).path)


def resolve(name_or_path: str | os.PathLike[str]) -> ModelEntry:
    """Resolve a name or path to an entry without opening the file.

    Raises:
        ModelError: no model has that name, or the path is not that of a model file.
    """
    name = _expanded(name_or_path)
    path = Path(name)
    if path.suffix.lower() in FOREIGN_SUFFIXES:
        raise ModelError(f"{name}: not a sparsesr model; convert it with `sparsesr models import {name}`")
    if path.suffix.lower() == SUFFIX:
        return ModelEntry(path.stem, path, USER)
    entries = list_models()
    for entry in entries:
        if entry.name == name:
            return entry
    raise ModelError(_unknown_name(name, [entry.name for entry in entries]))


def portable_name(name_or_path: str | os.PathLike[str]) -> str:
    """The same model for a process in another folder: paths become absolute, names stay."""
    name = _expanded(name_or_path)
    return os.path.abspath(name) if Path(name).suffix.lower() == SUFFIX else name  # noqa: PTH100


def _expanded(name_or_path: str | os.PathLike[str]) -> str:
    """A name as text, with a leading ``~`` expanded."""
    if not isinstance(name_or_path, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelError(f"a model is given by its name or path, not by {name_or_path!r}")
    return os.path.expanduser(os.fspath(name_or_path))  # noqa: PTH111


def _unknown_name(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    known = ", ".join(names) if names else "none yet; see `sparsesr models import`"
    return f"no model is named {shown(name)}; {hint}known models: {known}"


def verify(entry: ModelEntry) -> ModelFile:
    """Read a model completely, checking every value, and the file's hash if the entry has one.

    Raises:
        ModelError: the file is refused, differs from the one shipped, or has another scale than the index says.
    """
    model = read_model(entry.path)
    if entry.sha256 is not None and _sha256(entry.path) != entry.sha256:
        raise ModelError(
            f"{entry.path}: not the file that was shipped (its SHA-256 differs); reinstall sparsesr"
        )
    if entry.scale not in (None, model.facts.scale):
        raise ModelError(f"{entry.path}: upscales x{model.facts.scale}, the index says x{entry.scale}")
    return model


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def default_model_for(scale: int, jpeg_quality: int | None = None) -> ModelEntry:
    """Default model of a scale: the first that serves it, bundled models before the user's.

    For a JPEG of this quality (1 to 100, in the sense of libjpeg), the first of those that are preferred for it, if
    there is one.

    Raises:
        ModelError: there is none for this scale; the message lists the scales that have one.
    """
    entries = sorted(list_models(), key=lambda entry: not entry.is_for_jpeg(jpeg_quality))
    scales = {entry.name: _scales_of(entry) for entry in entries}
    for name, served in scales.items():
        if scale in served:
            return resolve(name)
    known = sorted({each for of_one in scales.values() for each in of_one})
    available = (
        f"there are models for {', '.join(f'x{known}' for known in known)}" if known else "there are none"
    )
    raise ModelError(
        f"no model upscales x{scale}; {available}; train or import one with `sparsesr models import`"
    )


def default_scales() -> tuple[int, ...]:
    """Scales that have a default model, ascending.

    Raises:
        ModelError: there is no model at all, or the index of bundled models is damaged.
    """
    scales = {scale for entry in list_models() for scale in _scales_of(entry)}
    if not scales:
        raise ModelError("there are no models; train or import one with `sparsesr models import`")
    return tuple(sorted(scales))


def _scales_of(entry: ModelEntry) -> tuple[int, ...]:
    """Scales of a model; empty for a damaged file, so that one bad file does not stop the search."""
    if entry.scale is not None:
        return (entry.scale,)
    try:
        return read_description(entry.path).scales
    except ModelError:
        return ()


def install_model(model: ModelFile, name: str, *, overwrite: bool = False, dtype: str = "f32") -> ModelEntry:
    """Write a model into the user's folder under ``name``.

    Args:
        model: the model; its facts are stored with the new name.
        name: 1 to 64 of ``a-z 0-9 _ . -`` that do not end like a file of weights.
        overwrite: replace an existing model of that name.
        dtype: storage type of the weights, ``f32`` or ``f16``.

    Raises:
        ModelError: the name is not allowed or taken, or the model cannot be written.
    """
    if not _can_be_named(name):
        endings = ", ".join((SUFFIX, *FOREIGN_SUFFIXES))
        raise ModelError(
            f"{shown(name)} cannot be a model's name; use 1 to 64 of a-z 0-9 _ . -, without {endings} at its end"
        )
    if any(entry.name == name for entry in _bundled_models()):
        raise ModelError(f"{name} is the name of a bundled model; choose another")
    path = user_models_dir() / f"{name}{SUFFIX}"
    if path.exists() and not overwrite:
        raise ModelError(f"{path} exists; choose another name, or allow overwriting it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{path.parent}: cannot create the folder: {error.strerror}") from None
    write_model(path, replace(model.facts, name=name), model.graph, model.tensors, dtype)
    return ModelEntry(name, path, USER)
