"""The extra of verbs that need PyTorch."""

from __future__ import annotations

from sparsesr.errors import BackendError
from sparsesr.extras import missing_extra, require_extra

TRAINING_PACKAGES = ("torch", "lightning_fabric", "lightning", "tensorboard")
_EXTRA = "train"


def training_extra_missing(what: str) -> BackendError:
    """The error for ``what`` if a package of the [train] extra is missing."""
    return missing_extra(_EXTRA, what)


def require_training_extra(what: str) -> None:
    """Raise BackendError, located at ``what``, unless torch is installed."""
    require_extra(_EXTRA, what, "torch")
