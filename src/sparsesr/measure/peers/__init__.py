"""Other runtimes, on the same weights and image: what ``sparsesr bench --peers`` compares with.

None of them is a dependency; those that are installed can be named. All are given the leanest dense form of
the network (:mod:`sparsesr.measure.peers.dense_form`) and the image as a float tensor, converted beforehand.
"""

from __future__ import annotations

import importlib
from typing import Any


def package(name: str) -> Any:
    """A package that need not be installed, so that type checkers cannot know it."""
    return importlib.import_module(name)
