"""Super-resolution that spends computation only where there is detail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Upscaler", "__version__", "list_models", "load", "upscale"]

if TYPE_CHECKING:
    from sparsesr.engine.upscaler import Upscaler
    from sparsesr.jobs.upscale import upscale
    from sparsesr.modelfile.catalogue import list_models, load

_HOMES = {
    "Upscaler": "sparsesr.engine.upscaler",
    "upscale": "sparsesr.jobs.upscale",
    "load": "sparsesr.modelfile.catalogue",
    "list_models": "sparsesr.modelfile.catalogue",
}


if not TYPE_CHECKING:  # with it, type checkers would believe in every name

    def __getattr__(name: str) -> Any:
        """Import public names on first use, so that ``import sparsesr`` stays instant."""
        import importlib

        if name not in _HOMES:
            raise AttributeError(f"module 'sparsesr' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
