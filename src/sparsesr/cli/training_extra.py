"""The error of verbs that need PyTorch if it is not installed."""

from __future__ import annotations

import importlib.util

from sparsesr.errors import BackendError

TRAINING_PACKAGES = ("torch", "lightning_fabric", "lightning", "tensorboard")


def training_extra_missing(what: str) -> BackendError:
    """The error for ``what`` if a package of the [train] extra is missing."""
    return BackendError('needs the extra [train]: pip install "sparsesr[train]"', where=what)


def require_training_extra(what: str) -> None:
    """Raise BackendError, located at ``what``, unless torch is installed."""
    if importlib.util.find_spec("torch") is None:
        raise training_extra_missing(what)
