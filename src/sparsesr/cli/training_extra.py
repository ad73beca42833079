"""The verbs that need PyTorch say so in one line when it is not installed."""

from __future__ import annotations

import importlib.util

from sparsesr.errors import BackendError

TRAINING_PACKAGES = ("torch", "lightning_fabric", "lightning", "tensorboard")


def training_extra_missing(what: str) -> BackendError:
    """The error when ``what`` needs a package of the extra that is missing."""
    return BackendError('needs the extra [train]: pip install "sparsesr[train]"', where=what)


def require_training_extra(what: str) -> None:
    """BackendError unless torch can be imported; ``what`` needs it."""
    if importlib.util.find_spec("torch") is None:
        raise training_extra_missing(what)
