"""Platform folders for the user's own models."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def user_models_dir() -> Path:
    """Folder of the user's models (it may not exist yet).

    ``$SPARSESR_HOME/models``, or ``models`` in the platform's data folder for sparsesr:
    ``$XDG_DATA_HOME/sparsesr`` or ``~/.local/share/sparsesr``, ``~/Library/Application
    Support/sparsesr``, ``%LOCALAPPDATA%\\sparsesr``.
    """
    home = os.environ.get("SPARSESR_HOME")
    return (Path(home).expanduser() if home else data_folder(sys.platform) / "sparsesr") / "models"


def data_folder(platform: str) -> Path:
    """Folder for a user's application data; ``platform`` as in ``sys.platform``."""
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
