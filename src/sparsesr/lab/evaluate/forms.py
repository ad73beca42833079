"""The two forms in which a model is measured: the native runtime, and torch. One interface."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sparsesr import _native
from sparsesr.engine.chop import chop, has_pixel_attention
from sparsesr.engine.tiles import paste
from sparsesr.engine.upscaler import INFERENCE
from sparsesr.errors import Parameter, UsageError, Wording
from sparsesr.lab.evaluate.bicubic_form import BICUBIC, BicubicForm
from sparsesr.lab.evaluate.form import Enlarged, Form, Given, Pixels
from sparsesr.modelfile.catalogue import FOREIGN_SUFFIXES, load
from sparsesr.modelfile.spec import ModelFile, scale_words
from sparsesr.runtime.cost import count_macs, paper_density
from sparsesr.runtime.session import Session

if TYPE_CHECKING:
    from torch import nn

FORMS = ("native", "torch")


class NativeForm:
    """The model file in the native runtime; imports no torch."""

    def __init__(
        self,
        model: ModelFile,
        threads: int | None = None,
        precision: str = "fp32",
        *,
        emulate_bf16: bool = False,
    ) -> None:
        self.model = model
        self._session = Session(model, threads, precision, emulate_bf16=emulate_bf16)
        self.precision, self.precision_reason = self._session.precision, self._session.precision_reason

    def enlarge(self, image: Given) -> Enlarged:
        """Enlarge (H, W, 3) to 8 bits."""
        started = perf_counter()
        result = self._session.run(image, out_dtype=np.uint8, keep_masks=True)
        seconds = perf_counter() - started
        enlarged: Pixels = result.image.astype(np.uint8, copy=False)
        return _enlarged(self.model, image, enlarged, result.masks or [], seconds)


class TorchForm:
    """A network in torch; ``model`` is its exported form, for the counts."""

    precision, precision_reason = "fp32", "torch runs in fp32"

    def __init__(self, module: nn.Module, model: ModelFile, threads: int | None = None) -> None:
        import torch

        self.model = model
        self._module = module.eval()
        if threads is not None:
            torch.set_num_threads(threads)

    def enlarge(self, image: Given) -> Enlarged:
        """Enlarge (H, W, 3) to 8 bits."""
        from sparsesr.lab.evaluate.torch_form import enlarge_eight_bit, masks_of

        facts = self.model.facts
        started = perf_counter()
        enlarged = enlarge_eight_bit(self._module, image, facts.scale, facts.size_multiple)
        seconds = perf_counter() - started
        return _enlarged(self.model, image, enlarged, masks_of(self._module), seconds)


class ChoppedForm:
    """Enlarges overlapping crops each by itself, as ESRT's authors measure it."""

    def __init__(self, form: Form) -> None:
        self.model, self._form = form.model, form
        self.precision, self.precision_reason = form.precision, form.precision_reason

    def enlarge(self, image: Given) -> Enlarged:
        """Enlarge (H, W, 3) to 8 bits; densities are weighted by the area of crops, overlaps included."""
        height, width = image.shape[:2]
        scale, tiles = self.model.facts.scale, chop(height, width)
        out = np.empty((height * scale, width * scale, 3), np.uint8)
        parts: list[Enlarged] = []
        for tile in tiles:
            box = tile.window
            parts.append(self._form.enlarge(image[box.top : box.bottom, box.left : box.right]))
            paste(out, parts[-1].image, tile, scale)
        shares = np.array([tile.window.area for tile in tiles], np.float64)
        shares /= shares.sum()

        def mean(values: Iterable[float]) -> float:
            return float(np.dot(shares, np.fromiter(values, np.float64)))

        masks = {name: mean(part.masks[name] for part in parts) for name in parts[0].masks}
        macs, seconds = sum(part.macs for part in parts), sum(part.seconds for part in parts)
        return Enlarged(out, masks, mean(part.density for part in parts), macs, seconds)


def resolve_inference(wanted: str, model: ModelFile) -> str:
    """``whole`` or ``chopped``; ``auto`` is as the network's authors measure it.

    Raises:
        UsageError: another word.
    """
    if wanted not in INFERENCE:
        raise UsageError(
            f"{wanted!r} is unknown", where=Parameter("inference"), remedy=f"use {', '.join(INFERENCE)}"
        )
    if wanted == "auto":
        return "chopped" if has_pixel_attention(model.graph) else "whole"
    return wanted


def _enlarged(model: ModelFile, given: Given, image: Pixels, masks: list[Any], seconds: float) -> Enlarged:
    names = [node.output for node in model.graph.nodes if node.op == "spatial_mask"]
    densities = {name: float(mask.mean()) for name, mask in zip(names, masks, strict=True)}
    macs = count_macs(model, given.shape[0], given.shape[1], densities).macs
    return Enlarged(image, densities, paper_density(model, densities), macs, seconds)


def open_form(
    name_or_path: str,
    form: str = "native",
    threads: int | None = None,
    scale: int | None = None,
    precision: str = "fp32",
) -> Form:
    """A model by name or model file, or a checkpoint (``.pt``), in one of the two forms; or ``bicubic``.

    A checkpoint in torch form is the network itself; a model file in torch form is its graph, op by op. ``scale`` is
    one of the model's, by default its own. ``precision`` is a wish as :class:`Session` takes it; the torch form
    has fp32 only.

    Raises:
        UsageError: no such form, not in this precision, or the model is for other scales.
        ModelError: no such model, or it cannot be read.
    """
    if form not in FORMS:
        raise UsageError(f"{form!r} is unknown", where=Parameter("form"), remedy=f"use {' or '.join(FORMS)}")
    if form == "torch" and precision != "fp32":
        raise UsageError(
            "torch measures in fp32 only",
            where=Parameter("form"),
            remedy=Wording("leave {} or {} out", "precision", "form"),
        )
    if name_or_path == BICUBIC:
        return BicubicForm(scale or 2)
    if Path(name_or_path).suffix.lower() in FOREIGN_SUFFIXES:
        return _open_checkpoint(Path(name_or_path), form, threads, scale, precision)
    model = _at_scale(load(name_or_path), scale, name_or_path)
    if form == "native":
        return _native_form(model, threads, precision, name_or_path)
    from sparsesr.lab.evaluate.graph_module import graph_module

    return TorchForm(graph_module(model), model, threads)


def _at_scale(model: ModelFile, scale: int | None, name: str) -> ModelFile:
    if scale not in (None, *model.scales):
        raise UsageError(f"{name} enlarges {scale_words(model.scales)}, not x{scale}")
    return model.at_scale(scale)


def _native_form(model: ModelFile, threads: int | None, precision: str, name: str) -> NativeForm:
    """UsageError where bf16 is asked for by name and no layer can run in it: the figures would be fp32's."""
    opened = NativeForm(model, threads, precision)
    if precision == "bf16" and opened.precision != "bf16" and _native.has_fast_bf16():
        remedy = Wording("use {} fp32 or auto", "precision")
        raise UsageError(f"{name} has no layer that can run in bf16", remedy=remedy)
    return opened


def _open_checkpoint(path: Path, form: str, threads: int | None, scale: int | None, precision: str) -> Form:
    from sparsesr.lab.export.exporter import export
    from sparsesr.lab.export.importer import load_network

    architecture, module = load_network(path)
    exported = export(module, "checkpoint", architecture=architecture, check=False)
    model = _at_scale(exported, scale, str(path))
    if len(exported.scales) > 1:
        cast(Any, module).active_scale = model.facts.scale
    if form == "native":
        return _native_form(model, threads, precision, str(path))
    return TorchForm(module, model, threads)
