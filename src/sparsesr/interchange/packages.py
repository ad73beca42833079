"""Optional packages."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from sparsesr.errors import BackendError


def package(name: str) -> Any:
    """Import an optional package, which type checkers cannot know."""
    return importlib.import_module(name)


def is_installed(name: str) -> bool:
    """True if the package can be imported."""
    return importlib.util.find_spec(name) is not None


def require_extra(name: str, extra: str, what: str) -> None:
    """Raise BackendError, located at ``what``, unless the package of this extra is installed."""
    if not is_installed(name):
        raise BackendError(f'needs the extra [{extra}]: pip install "sparsesr[{extra}]"', where=what)
