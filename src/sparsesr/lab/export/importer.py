"""Importer for ``models import``: converts a checkpoint of a known network to an installed model."""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import nn

from sparsesr.lab.export.architectures import build_network
from sparsesr.lab.export.checkpoint import read_checkpoint
from sparsesr.lab.export.exporter import export
from sparsesr.modelfile.catalogue import ModelEntry, install_model
from sparsesr.modelfile.spec import ModelFile

UNKNOWN_LICENSE = "unknown"


def load_network(path: Path) -> tuple[str, nn.Module]:
    """Architecture name, and the network of a checkpoint with its weights, in evaluation mode.

    Raises:
        ModelError: the file cannot be read, or belongs to no known network.
    """
    architecture, module = build_network(read_checkpoint(path), str(path))
    return architecture.name, module


def convert_checkpoint(
    path: Path, name: str, *, license: str = UNKNOWN_LICENSE, check: bool = True
) -> ModelFile:
    """Convert a checkpoint to a model file in memory; ``check`` compares both on a few images and measures bf16.

    Raises:
        ModelError: as :func:`load_network`, or network and model file disagree.
    """
    architecture, module = load_network(path)
    source = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return export(
        module,
        name,
        architecture=architecture,
        license=license,
        description=f"Imported from {path.name}.",
        training={"imported_from": source},
        check=check,
    )


def import_checkpoint(
    path: Path, name: str, *, license: str = UNKNOWN_LICENSE, overwrite: bool = False
) -> tuple[ModelEntry, ModelFile]:
    """Convert a checkpoint and install it as one of the user's models.

    Raises:
        ModelError: as :func:`convert_checkpoint`, or the name is invalid or taken.
    """
    model = convert_checkpoint(path, name, license=license)
    return install_model(model, name, overwrite=overwrite), model
