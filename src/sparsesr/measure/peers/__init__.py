"""Peers: other runtimes with the same weights and image, for ``sparsesr bench --peers``.

None of them is a dependency; any installed one can be named. All get the leanest dense form of the network
(:mod:`sparsesr.measure.peers.dense_model`) and the image as a float tensor, converted beforehand.
"""

from __future__ import annotations

import importlib
from typing import Any


def package(name: str) -> Any:
    """Import an optional package, which type checkers cannot know."""
    return importlib.import_module(name)
