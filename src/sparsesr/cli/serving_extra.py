"""The error of `sparsesr serve` if its packages are not installed."""

from __future__ import annotations

import importlib.util

from sparsesr.errors import BackendError

_PACKAGES = ("fastapi", "uvicorn", "prometheus_client")


def require_serving_extra(what: str) -> None:
    """Raise BackendError, located at ``what``, unless the packages of the [serve] extra are installed."""
    if any(importlib.util.find_spec(package) is None for package in _PACKAGES):
        raise BackendError('needs the extra [serve]: pip install "sparsesr[serve]"', where=what)
