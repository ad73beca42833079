"""Bicubic enlargement as something to compare models with: MATLAB's, as papers do."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from sparsesr.image.resize import imresize
from sparsesr.image.samples import quantised
from sparsesr.lab.evaluate.form import Enlarged, Given
from sparsesr.modelfile.spec import Facts, Graph, ModelFile, Node

BICUBIC = "bicubic"
"""What ``eval`` takes in place of a model's name."""


class BicubicForm:
    """No network: ``imresize`` to ``scale`` times the size."""

    precision, precision_reason = "fp32", "bicubic computes in double precision"

    def __init__(self, scale: int) -> None:
        facts = Facts(name=BICUBIC, architecture=BICUBIC, scale=scale)
        nodes = (Node("image", (), "image"), Node("bicubic_upsample", ("image",), "output", {"scale": scale}))
        self.model = ModelFile(facts, Graph("image", "output", nodes), {})

    def enlarge(self, image: Given) -> Enlarged:
        """Enlarge (H, W, 3) to 8 bits; multiply-adds are those of networks only, so none."""
        started = perf_counter()
        enlarged = imresize(image, self.model.facts.scale)
        if enlarged.dtype != np.uint8:
            enlarged = quantised(enlarged, np.uint8)
        return Enlarged(enlarged, {}, 1.0, 0, perf_counter() - started)
