"""Early exit against full execution, the work that it saves, and answers by a deadline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsesr.errors import UsageError
from sparsesr.lab.evaluate.all_exits import logits_of_all_exits, ms_by_exit
from sparsesr.lab.evaluate.anytime import Anytime
from sparsesr.lab.evaluate.confidence import confidence
from sparsesr.lab.evaluate.early_exit import classify_early
from sparsesr.lab.evaluate.exit_thresholds import exits_taken, fit_thresholds, fixed_exit
from sparsesr.lab.nn.ranet import CONFIGS, RANet

EXITS = 8


@pytest.fixture(scope="module")
def network() -> RANet:
    """Four scales, one of them twice; running statistics as after some training."""
    torch.manual_seed(0)
    network = RANet(replace(CONFIGS["ranet_cifar_anytime"], step=1))
    network(torch.rand(16, 3, 32, 32))
    return network.eval()


@pytest.fixture(scope="module")
def image_B3HW() -> torch.Tensor:
    return torch.rand(24, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def equal_shares(confidence_EB: np.ndarray) -> np.ndarray:
    """Thresholds a little below the images that define them: smaller batches change the last bits."""
    return fit_thresholds(confidence_EB, np.full(EXITS, 1 / EXITS)) - 1e-5


def test_answers_are_those_of_full_execution(network, image_B3HW) -> None:
    logits_EBK = logits_of_all_exits(network, [image_B3HW])
    confidence_EB = confidence(logits_EBK).numpy()
    thresholds = equal_shares(confidence_EB)
    answers = classify_early(network, image_B3HW, thresholds)
    taken = exits_taken(confidence_EB, thresholds)
    assert len(set(taken)) >= 6  # images leave at most exits
    assert answers.exits.tolist() == taken.tolist()
    expected_BK = logits_EBK[torch.from_numpy(taken), torch.arange(24)]
    torch.testing.assert_close(answers.logits, expected_BK, atol=1e-5, rtol=1e-5)
    assert answers.classes.tolist() == expected_BK.argmax(-1).tolist()


@pytest.mark.parametrize("number", [1, 3, 5, EXITS])
def test_a_fixed_exit_is_bit_exact(network, image_B3HW, number: int) -> None:
    answers = classify_early(network, image_B3HW, fixed_exit(number, EXITS))
    assert set(answers.exits.tolist()) == {number - 1}
    assert torch.equal(answers.logits, logits_of_all_exits(network, [image_B3HW])[number - 1])


def test_images_that_left_are_not_computed_further(network, image_B3HW) -> None:
    """The batch of every convolution shrinks to the survivors, whose low-resolution features are gathered too."""
    seen: list[int] = []
    handles = [
        classifier.linear.register_forward_hook(lambda _, __, output: seen.append(len(output)))
        for classifier in network.classifier
    ]
    low: list[set[int]] = []
    for block in network.scale_flows[1]:
        handles.append(block.register_forward_hook(lambda _, given, __: low.append(_batches(given))))
    confidence_EB = confidence(logits_of_all_exits(network, [image_B3HW])).numpy()
    seen.clear()
    low.clear()
    classify_early(network, image_B3HW, equal_shares(confidence_EB))
    for handle in handles:
        handle.remove()
    assert seen == [24 - 3 * index for index in range(EXITS)]
    assert low == [{18}, {18}, {18}, {15}]


def _batches(given) -> set[int]:
    feat_BCHW, low = given
    return {len(feat_BCHW), *(len(each) for each in low or ())}


def test_everybody_may_leave_at_once(network, image_B3HW) -> None:
    thresholds = np.full(EXITS, -np.inf)
    assert set(classify_early(network, image_B3HW[:1], thresholds).exits.tolist()) == {0}


class Clock:
    """Every exit takes one second more than the one before."""

    def __init__(self, network: RANet) -> None:
        self.now, self.slowness = 0.0, 1.0
        for index, classifier in enumerate(network.classifier):
            classifier.register_forward_hook(lambda _, __, ___, index=index: self.pass_time(index))

    def pass_time(self, index: int) -> None:
        self.now += self.slowness * (index + 1)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clocked(image_B3HW) -> tuple[RANet, Clock]:
    network = RANet(replace(CONFIGS["ranet_tiny"], step=1)).eval()
    return network, Clock(network)


@pytest.mark.parametrize(
    ("deadline_s", "exit"), [(0.5, 0), (1.0, 0), (3.0, 1), (5.9, 1), (6.0, 2), (100.0, 5)]
)
def test_a_deadline_gives_the_latest_exit_before_it(clocked, image_B3HW, deadline_s, exit) -> None:
    network, clock = clocked
    anytime = Anytime(network, 1e3 * deadline_s, clock)
    anytime.learn(image_B3HW[:1])
    answers = anytime.classify(image_B3HW[:1])
    assert answers.exits.tolist() == [exit]
    expected = logits_of_all_exits(network, [image_B3HW[:1]])[exit]
    torch.testing.assert_close(answers.logits, expected)


def test_a_slow_moment_does_not_close_an_exit_for_good(clocked, image_B3HW) -> None:
    network, clock = clocked
    anytime = Anytime(network, 6e3, clock)
    anytime.learn(image_B3HW[:1])
    clock.slowness = 3
    anytime.learn(image_B3HW[:1])
    clock.slowness = 1
    taken = [int(anytime.classify(image_B3HW[:1]).exits) for _ in range(12)]
    assert taken[0] < 2 and taken[-1] == 2


def test_an_exit_that_cannot_be_reached_in_time_is_never_taken(clocked, image_B3HW) -> None:
    network, clock = clocked
    anytime = Anytime(network, 5.9e3, clock)
    anytime.learn(image_B3HW[:1])
    assert {int(anytime.classify(image_B3HW[:1]).exits) for _ in range(20)} == {1}


@pytest.mark.parametrize("deadline_ms", [0, -1, float("nan"), float("inf")])
def test_impossible_deadlines_are_refused(network, deadline_ms) -> None:
    with pytest.raises(UsageError, match="above 0"):
        Anytime(network, deadline_ms)


def test_times_by_exit_rise(clocked, image_B3HW) -> None:
    network, clock = clocked
    found = ms_by_exit(network, image_B3HW[:2], clock)
    assert found == pytest.approx([500 * total for total in (1, 3, 6, 10, 15, 21)])
