"""Running a classifier with exits so that images which leave cost nothing more.

Shape suffixes: B batch, K classes, E exits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsesr.lab.evaluate.confidence import confidence
from sparsesr.lab.nn.exit_network import AnyExitNetwork


@dataclass(frozen=True)
class Answers:
    """What a batch was answered."""

    logits: Tensor
    """(B, K)."""
    exits: Tensor
    """(B,): the exit that each image left at, counted from 0."""

    @property
    def classes(self) -> Tensor:
        """(B,): index of each image's class."""
        return self.logits.argmax(-1)


@torch.inference_mode()
def classify_early(network: AnyExitNetwork, image_B3HW: Tensor, thresholds_E: NDArray[np.float64]) -> Answers:
    """Each image leaves at the first exit whose confidence reaches the threshold; the last must be -inf.

    After each exit the images that stay are gathered with the features that later exits need, so the others are not
    computed further. The answers are those of running everything and choosing the exit afterwards.
    """
    left_B = torch.arange(len(image_B3HW))
    progress = network.start(image_B3HW)
    logits_BK = image_B3HW.new_empty(len(image_B3HW), network.config.classes)
    exits_B = torch.zeros(len(image_B3HW), dtype=torch.int64)
    for index, threshold in enumerate(thresholds_E.tolist()):
        found_BK, progress = network.advance(progress)
        leaves_B = confidence(found_BK) >= threshold
        logits_BK[left_B[leaves_B]] = found_BK[leaves_B]
        exits_B[left_B[leaves_B]] = index
        if bool(leaves_B.all()):
            break
        if bool(leaves_B.any()):
            stays = (~leaves_B).nonzero().squeeze(1)
            left_B, progress = left_B[stays], progress.of(stays)
    return Answers(logits_BK, exits_B)
