"""A classifier from a run: its network, its classes, its data, and what its exits say about the held-out images.

Shape suffixes: E exits, N images, K classes.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sparsesr.errors import ModelError
from sparsesr.image.destination import atomic_file
from sparsesr.lab.data.labelled_batches import in_order
from sparsesr.lab.data.labelled_images import LabelledImages
from sparsesr.lab.data.labelled_pack import open_labelled
from sparsesr.lab.data.labelled_sources import TEST
from sparsesr.lab.evaluate.all_exits import logits_of_all_exits
from sparsesr.lab.export.importer import load_network
from sparsesr.lab.nn.exit_network import AnyExitNetwork, ExitNetwork
from sparsesr.lab.train.checkpoint import stored_facts, stored_recipe
from sparsesr.lab.train.classifying import packed_file
from sparsesr.lab.train.classifying_recipe import ClassifyingRecipe

_LOGITS, _PACKED_TEST = "held_out_logits.npz", "packed_test.npy"
_BATCH = 100


@dataclass(frozen=True)
class TrainedClassifier:
    """A checkpoint of a run in its folder."""

    path: Path
    network: AnyExitNetwork
    recipe: ClassifyingRecipe
    report: Callable[[str], None]

    @cached_property
    def classes(self) -> Sequence[str]:
        """Names in the order of the logits; checkpoints that do not hold them yet need the images of their run."""
        return stored_facts(self.path).get("classes") or self.training_images().classes

    def training_images(self) -> LabelledImages:
        """All images of the run, packed again if the run's files are gone."""
        recipe, packed = self.recipe, packed_file(self.recipe, self.path.parent)
        return open_labelled(recipe.dataset, recipe.folders, packed, self.report, checks=False)

    def test_images(self) -> LabelledImages:
        """The test images of the run's data, packed beside the checkpoint, with the classes of the training."""
        recipe, packed = self.recipe, self.path.parent / _PACKED_TEST
        images = open_labelled(recipe.dataset, recipe.folders, packed, self.report, split=TEST, checks=False)
        return images.with_classes(self.classes)

    def held_out(self) -> LabelledImages:
        """The images that were not trained on, as they are."""
        return self.training_images().split(self.recipe.held_out)[1]

    def held_out_logits(self) -> NDArray[np.float32]:
        """(E, N, K): computed once and kept beside the checkpoint, but only for exactly this checkpoint."""
        kept, digest = self.path.parent / _LOGITS, hashlib.sha256(self.path.read_bytes()).hexdigest()
        found = _kept_logits(kept, digest)
        if found is not None:
            return found
        self.report("running all exits on the held-out images (once)")
        logits_ENK = logits_of_images(self.network, self.held_out())
        buffer = io.BytesIO()
        np.savez(buffer, logits=logits_ENK, checkpoint=digest)
        with atomic_file(kept, overwrite=True) as file:
            file.write(buffer.getbuffer())
        return logits_ENK


def open_classifier(path: Path, report: Callable[[str], None]) -> TrainedClassifier:
    """The classifier of a run's checkpoint, with its averaged weights, in evaluation mode.

    Raises:
        ModelError: it cannot be read, or holds no classifier.
    """
    _, network = load_network(path)
    if not isinstance(network, ExitNetwork):
        raise ModelError(
            "is no classifier", where=str(path), remedy="give a checkpoint of a run that classifies"
        )
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainedClassifier(path, network, stored_recipe(path, ClassifyingRecipe), report)


def logits_of_images(network: AnyExitNetwork, images: LabelledImages) -> NDArray[np.float32]:
    """Logits (E, N, K) of all exits for labelled images."""
    batches = (image_B3HW for image_B3HW, _ in in_order(images, _BATCH))
    return logits_of_all_exits(network, batches).numpy()


def _kept_logits(path: Path, digest: str) -> NDArray[np.float32] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return kept["logits"] if str(kept["checkpoint"]) == digest else None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
