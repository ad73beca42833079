"""Loss of PSNR when a model runs in bf16 or int8, measured on photographs.

The photographs (``photographs/``, with credits) are downscaled by MATLAB's bicubic and upscaled natively in both
precisions; PSNR-Y to the photograph is compared, as ``eval`` measures it. The difference between the two results
alone would not show which of them is closer to the photograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparsesr.errors import InputError
from sparsesr.measure.chopped import with_default_inference
from sparsesr.measure.method import Method
from sparsesr.measure.native import NativeMethod
from sparsesr.measure.protocol import EvaluationSet, find_sets
from sparsesr.measure.quality import evaluate
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS, PrecisionCost
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.prepared import supported_precisions

PHOTOGRAPHS = Path(__file__).with_name("photographs")
_MAX_DB = 100.0
"""PSNR of a result equal to the photograph, which is infinite."""


def with_costs(
    model: ModelFile,
    data: Path = PHOTOGRAPHS,
    threads: int | None = None,
    precisions: Sequence[str] = REDUCED_PRECISIONS,
) -> ModelFile:
    """Return the model with new records of some precisions for each of its scales, where any layer can run in them.

    Args:
        model: the model.
        data: folder of HR images, one set, laid out as :func:`find_sets` expects.
        threads: threads of the runtime; None: all processors.
        precisions: ``bf16``, ``int8`` or both.

    Raises:
        InputError: there are several sets or none, or an image cannot be read or is too small.
    """
    facts = model.facts
    for precision in precisions:
        measured = (measure_cost(model.at_scale(s), precision, data, threads) for s in model.scales)
        facts = facts.with_costs(precision, [cost for cost in measured if cost is not None])
    return replace(model, facts=facts)


def measure_cost(
    model: ModelFile, precision: str, data: Path = PHOTOGRAPHS, threads: int | None = None
) -> PrecisionCost | None:
    """Measure the record of ``bf16`` or ``int8`` for the model's own scale; None if no layer can run in it.

    Arguments as above. Works without the instructions too, with plain C++ kernels, many times slower.
    """
    if precision not in supported_precisions(model):
        return None
    reduced = NativeMethod(model, threads, precision, emulate=True)
    images = only_set(data, model.facts.scale)
    fp32_db = _psnr(NativeMethod(model, threads), images)
    losses = fp32_db - _psnr(reduced, images)
    names = ", ".join(image.name for image in images.images)
    return PrecisionCost(
        scale=model.facts.scale,
        psnr_y_db=round(float(fp32_db.mean()), 3),
        mean_db=round(float(losses.mean()), 5),
        worst_db=round(float(losses.max()), 5),
        measured_on=names if data == PHOTOGRAPHS else f"{images.name} ({len(images.images)} images)",
    )


def only_set(data: Path, scale: int) -> EvaluationSet:
    """The set in a folder; InputError if there are several or none."""
    sets = find_sets(data, scale)
    if len(sets) > 1:
        raise InputError(f"{data}: holds {len(sets)} sets; name one, for example {data / sets[0].name}")
    return sets[0]


def _psnr(method: Method, images: EvaluationSet) -> npt.NDArray[np.float64]:
    """PSNR-Y of each image, dB."""
    results = evaluate(with_default_inference(method), images).images
    return np.array([min(image.psnr_y, _MAX_DB) for image in results], np.float64)
