"""The verbs that need PyTorch say so in one line when it is not installed."""

from __future__ import annotations

import importlib.util

from sparsesr.errors import BackendError


def require_training_extra(what: str) -> None:
    """BackendError unless torch can be imported; ``what`` needs it."""
    if importlib.util.find_spec("torch") is None:
        raise BackendError(f"{what} needs PyTorch; install it with: pip install 'sparsesr[train]'")
