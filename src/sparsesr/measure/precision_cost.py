"""The loss of PSNR when a model runs in bf16, measured on photographs.

The photographs (``photographs/``, with credits) are downscaled by MATLAB's bicubic and upscaled natively in both
precisions, and PSNR-Y to the photograph is compared, as ``eval`` measures it. The difference between the two results
alone would not tell which of them is closer to the truth.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparsesr.errors import InputError
from sparsesr.measure.chopped import as_authors_measure
from sparsesr.measure.method import Method
from sparsesr.measure.native import NativeMethod
from sparsesr.measure.protocol import EvaluationSet, find_sets
from sparsesr.measure.quality import evaluate
from sparsesr.modelfile.bf16_cost import Bf16Cost
from sparsesr.modelfile.spec import ModelFile

PHOTOGRAPHS = Path(__file__).with_name("photographs")
_MOST_DB = 100.0
"""A result that is the truth counts as this."""


def with_bf16_costs(model: ModelFile, data: Path = PHOTOGRAPHS, threads: int | None = None) -> ModelFile:
    """The model with a record for each of its scales, in place of those that it had.

    Args:
        model: the model.
        data: a folder of reference images, one set, laid out as :func:`find_sets` expects.
        threads: of the runtime; None: all.

    Raises:
        InputError: there are several sets or none, or an image cannot be read or is too small.
    """
    measured = (measure_bf16_cost(model.at_scale(scale), data, threads) for scale in model.scales)
    costs = tuple(cost for cost in measured if cost is not None)
    return replace(model, facts=replace(model.facts, bf16_costs=costs))


def measure_bf16_cost(
    model: ModelFile, data: Path = PHOTOGRAPHS, threads: int | None = None
) -> Bf16Cost | None:
    """The record for the model's own scale; None if no layer can run in bf16. Arguments as above.

    A processor without bf16 instructions measures too, with plain kernels: many times slower.
    """
    short = NativeMethod(model, threads, "bf16", emulate_bf16=True)
    if short.precision != "bf16":
        return None
    images = _only_set(data, model.facts.scale)
    exact_db = _psnr(NativeMethod(model, threads), images)
    losses = exact_db - _psnr(short, images)
    names = ", ".join(image.name for image in images.images)
    return Bf16Cost(
        scale=model.facts.scale,
        psnr_y_db=round(float(exact_db.mean()), 3),
        mean_db=round(float(losses.mean()), 5),
        worst_db=round(float(losses.max()), 5),
        measured_on=names if data == PHOTOGRAPHS else f"{images.name} ({len(images.images)} pictures)",
    )


def _only_set(data: Path, scale: int) -> EvaluationSet:
    sets = find_sets(data, scale)
    if len(sets) > 1:
        raise InputError(f"{data}: holds {len(sets)} sets; name one, such as {data / sets[0].name}")
    return sets[0]


def _psnr(method: Method, images: EvaluationSet) -> npt.NDArray[np.float64]:
    """PSNR-Y of each image, dB."""
    results = evaluate(as_authors_measure(method), images).images
    return np.array([min(image.psnr_y, _MOST_DB) for image in results], np.float64)
