"""Calibration on the spot, for models without the scales that int8 needs."""

from __future__ import annotations

import sys

from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.prepared import supported_precisions
from sparsesr.runtime.precision import has_instructions


def with_scales_if_needed(model: ModelFile, precision: str, threads: int | None) -> ModelFile:
    """The model as it can run in the precision: calibrated if int8 was asked for and the file has no scales.

    Raises:
        UsageError: no layer of the model can run in int8.
    """
    if (
        precision != "int8"
        or "int8" in supported_precisions(model.at_scale())
        or not has_instructions("int8")
    ):
        return model
    from sparsesr.measure.calibration import with_int8_scales

    name = model.facts.name
    print(
        f"note: {name} has no scales for int8; calibrating it on the bundled photographs"
        f" (`sparsesr models quantize` does that once)",
        file=sys.stderr,
    )
    return with_int8_scales(model, threads=threads)


def ready_for(precision: str, model: str | None, threads: int | None) -> str | ModelFile | None:
    """The named model, calibrated if the precision needs that; the default models, None, have scales.

    Raises:
        ModelError: the model is unknown or refused.
        UsageError: no layer of the model can run in int8.
    """
    if precision != "int8" or model is None:
        return model
    loaded = load(model)
    ready = with_scales_if_needed(loaded, precision, threads)
    return model if ready is loaded else ready
