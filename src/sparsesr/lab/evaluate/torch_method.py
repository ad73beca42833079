"""Networks measured in torch, and checkpoints measured in torch or natively."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch
from torch import nn

from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.graph_module import graph_module
from sparsesr.lab.export.importer import load_network
from sparsesr.lab.export.torch_run import enlarge_eight_bit, masks_of
from sparsesr.measure.method import InputImage, Upscaled, with_cost
from sparsesr.measure.native import model_at_scale
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.spec import ModelFile


class TorchMethod:
    """A network in torch; ``model`` is its exported form, for the counts."""

    precision, precision_reason = "fp32", "torch runs in fp32"

    def __init__(self, module: nn.Module, model: ModelFile, threads: int | None = None) -> None:
        self.model = model
        self._module = module.eval()
        if threads is not None:
            torch.set_num_threads(threads)

    def upscale(self, image: InputImage) -> Upscaled:
        """Upscale (H, W, 3) to 8 bits."""
        facts = self.model.facts
        started = perf_counter()
        upscaled = enlarge_eight_bit(self._module, image, facts.scale, facts.size_multiple)
        seconds = perf_counter() - started
        return with_cost(self.model, image, upscaled, masks_of(self._module), seconds)


def open_in_torch(name_or_path: str, threads: int | None = None, scale: int | None = None) -> TorchMethod:
    """A model by name or model file, its graph run op by op in torch.

    Raises:
        UsageError: the model is for other scales.
        ModelError: no such model, or it cannot be read.
    """
    model = model_at_scale(load(name_or_path), scale, name_or_path)
    return TorchMethod(graph_module(model), model, threads)


def load_checkpoint(path: Path, scale: int | None = None) -> tuple[nn.Module, ModelFile]:
    """A checkpoint's network, and the model file that export makes of it, both for one scale.

    Raises:
        UsageError: the network is for other scales.
        ModelError: the file cannot be read, or is not of a known network.
    """
    architecture, module = load_network(path)
    exported = export(module, "checkpoint", architecture=architecture, check=False)
    model = model_at_scale(exported, scale, str(path))
    if len(exported.scales) > 1:
        cast(Any, module).active_scale = model.facts.scale
    return module, model
