"""Optional packages, and the extras of sparsesr that install them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from sparsesr.errors import BackendError, Parameter


def package(name: str) -> Any:
    """Import an optional package, which type checkers cannot know."""
    return importlib.import_module(name)


def is_installed(name: str) -> bool:
    """True if the package can be imported."""
    return importlib.util.find_spec(name) is not None


def require_extra(extra: str, where: str | Parameter, *packages: str) -> None:
    """Raise BackendError, located at ``where``, unless these packages of the extra are installed."""
    if not all(map(is_installed, packages)):
        raise missing_extra(extra, where)


def libvips_fault(error: Exception) -> BackendError:
    """The error if libvips cannot be loaded, for the reason that pyvips gives."""
    remedy = "pip install pyvips-binary, or raise a limit on memory (ulimit -v)"
    return BackendError(f"libvips does not load ({error})", remedy=remedy)


def missing_extra(extra: str, where: str | Parameter) -> BackendError:
    """The error if a package of this extra is missing."""
    return BackendError(f'needs the extra [{extra}]: pip install "sparsesr[{extra}]"', where=where)
