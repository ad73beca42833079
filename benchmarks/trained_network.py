"""What the studies of masks begin with: a trained network and pairs of LR and HR images, from the command line."""

from __future__ import annotations

import argparse

import torch
from torch import nn

from sparsesr.lab.nn.registry import create
from sparsesr.lab.train import checkpoint
from sparsesr.lab.train.validation import PairValidation
from sparsesr.measure.protocol import Pair


def open_network(doc: str, example: str) -> tuple[nn.Module, list[Pair]]:
    """Parse ``NETWORK --data FOLDER [--weights ...] [--threads N]``; the network is ready for evaluation."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("network", help=f"such as {example}")
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", help="default: the bundled model of this name")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    network = create(options.network).eval()
    checkpoint.warm_start(network, options.weights or options.network)
    scale = network.config.scale
    return network, PairValidation(options.data, scale, size_multiple=network.size_multiple).pairs
