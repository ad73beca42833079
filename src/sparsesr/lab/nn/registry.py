"""Registry of trainable networks by name, and of the architectures that checkpoints are matched with.

To add a network, write its file with ``NETWORKS`` and ``ARCHITECTURE``, and add it to ``_FILES``.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from sparsesr.lab.nn import acnet, esrt, msdnet, ranet, searched, skim, smsr
from sparsesr.lab.nn.genotype import read_genotype
from sparsesr.lab.nn.network import Architecture, Networks

_FILES = (smsr, skim, esrt, acnet, searched, ranet, msdnet)

NETWORKS: Networks = {name: create for file in _FILES for name, create in file.NETWORKS.items()}
ARCHITECTURES: tuple[Architecture, ...] = tuple(file.ARCHITECTURE for file in _FILES)


def create(name: str) -> nn.Module:
    """Build the network ``name`` with fresh weights; KeyError lists the known names.

    ``name`` may also be a genotype file (``.json``) of a search; ModelError if it cannot be read.
    """
    if name.endswith(".json"):
        return searched.Searched(read_genotype(Path(name)))
    if name not in NETWORKS:
        raise KeyError(f"no network named {name!r}; there are: {', '.join(NETWORKS)}")
    return NETWORKS[name]()
