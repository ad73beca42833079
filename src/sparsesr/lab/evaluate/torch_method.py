"""Measuring networks in torch, and checkpoints in torch or natively."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch
from torch import nn

from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.graph_module import graph_module
from sparsesr.lab.export.importer import load_network
from sparsesr.lab.export.torch_run import masks_of, upscale_eight_bit
from sparsesr.measure.method import InputImage, Upscaled, with_cost
from sparsesr.measure.native import model_at_scale
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.spec import ModelFile


class TorchMethod:
    """A network in torch; ``model`` is its exported form, for the multiply-add counts."""

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
        upscaled = upscale_eight_bit(self._module, image, facts.scale, facts.size_multiple)
        seconds = perf_counter() - started
        return with_cost(self.model, image, upscaled, masks_of(self._module), seconds)


def open_in_torch(name_or_path: str, threads: int | None = None, scale: int | None = None) -> TorchMethod:
    """A model, by name or file, whose graph is executed op by op in torch.

    Raises:
        UsageError: the model does not support ``scale``.
        ModelError: no such model, or it cannot be read.
    """
    model = model_at_scale(load(name_or_path), scale, name_or_path)
    return TorchMethod(graph_module(model), model, threads)


def load_checkpoint(path: Path, scale: int | None = None) -> tuple[nn.Module, ModelFile]:
    """The network of a checkpoint and its exported model file, both for one scale.

    Raises:
        UsageError: the network does not support ``scale``.
        ModelError: the file cannot be read, or belongs to no known network.
    """
    architecture, module = load_network(path)
    exported = export(module, "checkpoint", architecture=architecture, check=False)
    model = model_at_scale(exported, scale, str(path))
    if len(exported.scales) > 1:
        cast(Any, module).active_scale = model.facts.scale
    return module, model
