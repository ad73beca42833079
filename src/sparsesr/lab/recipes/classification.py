"""One classification of many images with a trained network: when each leaves, what is answered, and what it takes.

Shape suffixes: N images, B batch, E exits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsesr.errors import UsageError
from sparsesr.lab.data.cifar_batch import source_of_batch
from sparsesr.lab.data.labelled_batches import images_B3HW, in_order
from sparsesr.lab.data.labelled_images import LabelledImages, decode_all
from sparsesr.lab.data.labelled_sources import images_of_classes
from sparsesr.lab.evaluate.all_exits import ms_by_exit
from sparsesr.lab.evaluate.anytime import Anytime
from sparsesr.lab.evaluate.confidence import confidence, probability
from sparsesr.lab.evaluate.early_exit import Answers, classify_early
from sparsesr.lab.evaluate.exit_thresholds import fixed_exit, thresholds_for_budget
from sparsesr.lab.nn.multiply_adds import multiply_adds_by_exit
from sparsesr.lab.train.trained_classifier import TrainedClassifier, open_classifier

__all__ = ["Classified", "Policy", "classify", "images_to_classify", "open_classifier"]
MULTIPLY_ADDS, MS = "multiply-adds", "ms"


@dataclass(frozen=True)
class Policy:
    """When images leave: at one exit, by a deadline for each batch, by thresholds for a mean cost, or at the end."""

    exit: int | None = None
    deadline_ms: float | None = None
    mean_cost: tuple[float, str] | None = None
    """Value, and ``MULTIPLY_ADDS`` or ``MS``."""
    batch: int = 256
    threads: int | None = None


@dataclass(frozen=True)
class Classified:
    """Answers to all images; indices of classes and exits are counted from 0."""

    classes: Sequence[str]
    labels: NDArray[np.int64]
    """(N,), -1 where the class is not known."""
    answers: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    exits: NDArray[np.int64]
    seconds: float
    """Wall-clock time of the network, images being decoded before."""
    multiply_adds_by_exit: Sequence[int]
    """Of one image up to each exit."""
    expected_cost: float | None
    """Mean cost on the held-out images, in the unit of the budget."""

    @property
    def multiply_adds(self) -> float:
        """Mean of an image."""
        return float(np.asarray(self.multiply_adds_by_exit)[self.exits].mean())

    @property
    def ms(self) -> float:
        """Mean of an image."""
        return 1e3 * self.seconds / len(self.exits)

    def accuracy(self, which: NDArray[np.bool_] | None = None) -> float | None:
        """Share of right answers among the images of known class; None if there are none."""
        known = self.labels >= 0
        chosen = known if which is None else known & which
        return float((self.answers == self.labels)[chosen].mean()) if chosen.any() else None


def images_to_classify(
    classifier: TrainedClassifier, place: Path | None
) -> tuple[LabelledImages, Sequence[str], bool]:
    """The images of a folder or a CIFAR batch file, or the run's test images; names, and whether all could be read.

    Raises:
        InputError: no usable images, or not of the network's size.
    """
    skipped: list[str] = []
    if place is None:
        images = classifier.test_images()
        names: Sequence[str] = [str(index) for index in range(len(images))]
    else:
        classes = classifier.classes

        def report(line: str) -> None:
            skipped.append(line)
            classifier.report(line)

        is_batch = place.is_file()
        source = source_of_batch(place, classes, report) if is_batch else images_of_classes(place, classes)
        images, names = decode_all(source, report)
    needed_px = classifier.network.config.image_px
    if images.side_px != needed_px:
        raise UsageError(
            f"holds images of {images.side_px}x{images.side_px} pixels, but the network takes {needed_px}x{needed_px}",
            where=images.source,
        )
    return images, names, not skipped


def classify(classifier: TrainedClassifier, images: LabelledImages, policy: Policy) -> Classified:
    """Classify images.

    Raises:
        UsageError: there is no such exit, or a budget or deadline is impossible.
    """
    if policy.threads is not None:
        torch.set_num_threads(policy.threads)
    costs = multiply_adds_by_exit(classifier.network)
    answer, expected = _answering(classifier, images, policy, costs)
    found: list[Answers] = []
    seconds = 0.0
    for image_B3HW, _ in in_order(images, policy.batch):
        started = time.perf_counter()
        found.append(answer(image_B3HW))
        seconds += time.perf_counter() - started
    logits = torch.cat([answers.logits for answers in found])
    return Classified(
        images.classes,
        images.own_labels,
        logits.argmax(-1).numpy(),
        probability(confidence(logits)).numpy(),
        torch.cat([answers.exits for answers in found]).numpy(),
        seconds,
        costs,
        expected,
    )


def _answering(
    classifier: TrainedClassifier, images: LabelledImages, policy: Policy, multiply_adds: Sequence[int]
) -> tuple[Callable[[Tensor], Answers], float | None]:
    """The function that answers a batch, and the expected cost of an image if there is a budget for it."""
    network, exits = classifier.network, classifier.network.config.exits
    if policy.deadline_ms is not None:
        anytime = Anytime(network, policy.deadline_ms)
        anytime.learn(_some(images, policy.batch))
        return anytime.classify, None
    if policy.mean_cost is None:
        thresholds_E = fixed_exit(exits if policy.exit is None else policy.exit, exits)
        return (lambda image_B3HW: classify_early(network, image_B3HW, thresholds_E)), None
    budget, unit = policy.mean_cost
    costs = multiply_adds if unit == MULTIPLY_ADDS else ms_by_exit(network, _some(images, policy.batch))
    confidence_EN = confidence(torch.from_numpy(classifier.held_out_logits())).numpy()
    fit = thresholds_for_budget(confidence_EN, costs, budget)
    return (lambda image_B3HW: classify_early(network, image_B3HW, fit.thresholds)), fit.cost


def _some(images: LabelledImages, count: int) -> Tensor:
    """Images to time the network on."""
    return images_B3HW(images.batch(slice(0, count))[0])
