"""Measured methods in the native runtime."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from sparsesr.errors import UsageError
from sparsesr.measure.bicubic import BICUBIC, BicubicMethod
from sparsesr.measure.method import InputImage, Method, Pixels, Upscaled, with_cost
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.spec import ModelFile, scale_words
from sparsesr.runtime.session import Session


class NativeMethod:
    """A model file in the native runtime."""

    def __init__(
        self,
        model: ModelFile,
        threads: int | None = None,
        precision: str = "fp32",
        *,
        effort: float | None = None,
        emulate: bool = False,
    ) -> None:
        self.model, self._effort = model, effort
        self._session = Session(model, threads, precision, emulate=emulate)
        self.precision, self.precision_reason = self._session.precision, self._session.precision_reason

    def upscale(self, image: InputImage) -> Upscaled:
        """Upscale (H, W, 3) to 8 bits."""
        started = perf_counter()
        result = self._session.run(image, out_dtype=np.uint8, effort=self._effort, keep_masks=True)
        seconds = perf_counter() - started
        upscaled: Pixels = result.image.astype(np.uint8, copy=False)
        return with_cost(self.model, image, upscaled, result.masks or [], seconds)


def open_method(
    name_or_path: str, threads: int | None = None, scale: int | None = None, precision: str = "fp32"
) -> Method:
    """Open a model in the native runtime, or ``bicubic``.

    Args:
        name_or_path: name or file of the model, or ``bicubic``.
        threads: None: all processors.
        scale: one of the model's scales; None: its default (2 for ``bicubic``).
        precision: requested precision, as for :class:`Session`.

    Raises:
        UsageError: the model does not serve the scale.
        ModelError: no such model, or it cannot be read.
    """
    if name_or_path == BICUBIC:
        return BicubicMethod(scale or 2)
    return NativeMethod(model_at_scale(load(name_or_path), scale, name_or_path), threads, precision)


def model_at_scale(model: ModelFile, scale: int | None, name: str) -> ModelFile:
    """Return the model reduced to one scale, by default its own; UsageError if it does not serve the scale."""
    if scale not in (None, *model.scales):
        raise UsageError(f"{name} upscales {scale_words(model.scales)}, not x{scale}")
    return model.at_scale(scale)
