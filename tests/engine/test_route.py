"""Sizes between the scales of networks: the same as running them one by one, and then MATLAB's bicubic."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest

from sparsesr.engine.plan import PROCESS_BYTES, Mode
from sparsesr.engine.result import Pass
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, InputError, LimitError, UsageError
from sparsesr.image.resize import imresize
from support.tiny_models import photo, tiny


@pytest.fixture(scope="module")
def twice() -> Upscaler:
    return Upscaler(tiny(), threads=1)


def sized(**wanted) -> Upscaler:
    return Upscaler(tiny(), threads=1, **wanted)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_fractional_scale_is_the_next_network_and_bicubic(twice, dtype):
    image = photo(31, 40, dtype)
    result = sized(scale=1.5)(image)
    np.testing.assert_array_equal(result.image, imresize(twice(image).image, Fraction(3, 4)))
    assert result.image.shape == (47, 60, 3) and result.size == (47, 60)
    assert result.is_resized and result.passes == (Pass("smsr_x2", 2),)


def test_two_networks_in_sequence(twice):
    image = photo(20, 24)
    result = sized(scale=4)(image)
    np.testing.assert_array_equal(result.image, twice(twice(image).image).image)
    assert not result.is_resized and result.passes == (Pass("smsr_x2", 2),) * 2
    first, second = twice(image).stats, twice(twice(image).image).stats
    assert result.stats.macs == first.macs + second.macs
    assert result.stats.macs_dense == first.macs_dense + second.macs_dense
    assert [mask.shape for mask in result.masks] == [(20, 24)] * 2


def test_two_networks_and_bicubic(twice):
    image = photo(20, 24)
    result = sized(scale=3)(image)
    np.testing.assert_array_equal(result.image, imresize(twice(twice(image).image).image, Fraction(3, 4)))


@pytest.mark.parametrize(
    ("wanted", "shape"),
    [
        ({"width": 100}, (84, 100)),
        ({"height": 75}, (75, 90)),
        ({"width": 100, "height": 75}, (75, 100)),
        ({"fit": (100, 75)}, (75, 90)),
    ],
)
def test_sizes_in_pixels(twice, wanted, shape):
    image = photo(50, 60)
    result = sized(**wanted)(image)
    doubled = twice(image).image
    target = shape if len(wanted) == 2 else max(Fraction(shape[0], 100), Fraction(shape[1], 120))
    factor = {"width": Fraction(100, 120), "height": Fraction(75, 100), "fit": Fraction(75, 100)}
    expected = imresize(doubled, target if len(wanted) == 2 else factor[next(iter(wanted))])
    np.testing.assert_array_equal(result.image, expected)
    assert result.image.shape[:2] == shape


def test_one_upscaler_chooses_networks_for_each_image():
    upscaler = sized(width=100)
    assert [len(upscaler(photo(10, width)).passes) for width in (80, 50, 40, 20)] == [1, 1, 2, 3]
    with pytest.raises(InputError, match="would have to shrink"):
        upscaler(photo(10, 101))


def test_default_networks_of_several_scales():
    image = photo(12, 16)
    result = Upscaler(scale=2.5, threads=1)(image)
    assert result.passes == (Pass("skim_best_x3", 3),)
    np.testing.assert_array_equal(
        result.image, imresize(Upscaler("skim_best_x3", threads=1)(image).image, Fraction(5, 6))
    )


def test_alpha_has_the_same_size():
    image = photo(31, 40, channels=4)
    image[..., 3] = 255
    result = sized(scale=1.5)(image).image
    assert result.shape == (47, 60, 4) and int(result[..., 3].min()) == 255


def test_a_plain_scale_changes_nothing(twice):
    image = photo(30, 20)
    result = sized(scale=2.0)(image)
    np.testing.assert_array_equal(result.image, twice(image).image)
    assert not result.is_resized and result.passes == (Pass("smsr_x2", 2),)
    assert sized(scale=2.0).label == twice.label == "x2"


def test_progress_only_grows_and_ends():
    steps: list[float] = []
    sized(scale=4)(photo(40, 40), progress=lambda done, total: steps.append(done / total))
    assert steps == sorted(steps) and steps[-1] == 1
    assert steps[0] < 0.2


def test_the_second_network_can_be_cancelled():
    calls = []

    def cancelled() -> bool:
        calls.append(1)
        return len(calls) > seen + 2

    seen = 10**9
    sized(scale=2)(photo(20, 20), cancelled=cancelled)
    seen, calls = len(calls), []
    with pytest.raises(CancelledError):
        sized(scale=4)(photo(20, 20), cancelled=cancelled)


def test_a_target_is_for_one_network():
    with pytest.raises(UsageError, match="takes 2 networks"):
        sized(scale=4)(photo(20, 20), target_ms=100)
    assert sized(scale=1.5)(photo(40, 40), target_ms=1_000).target is not None


def test_memory_is_planned_for_the_last_network():
    image = photo(60, 80)
    roomy = sized(scale=4)
    need = roomy.planned_route(image).peak_bytes
    assert [plan.mode for plan in roomy.planned_route(image).plans] == [Mode.WHOLE] * 2
    assert need > sized(scale=2).planned_route(image).peak_bytes
    tight = sized(scale=4, memory=PROCESS_BYTES + (need - PROCESS_BYTES) * 2 // 3)
    assert tight.planned_route(image).plans[-1].mode is not Mode.WHOLE
    tight(image)
    with pytest.raises(LimitError, match="needs at least"):
        sized(scale=4, memory=PROCESS_BYTES + 100_000)(image)


def test_buffers_of_earlier_networks_are_released():
    upscaler = Upscaler(scale=6, threads=1)
    upscaler(photo(12, 16))
    assert upscaler.idle_bytes > 0
    upscaler.release_buffers()
    assert upscaler.idle_bytes == 0


def test_a_size_survives_pickling():
    original = sized(fit=(100, 75))
    again = pickle.loads(pickle.dumps(original))  # noqa: S301
    np.testing.assert_array_equal(again(photo(50, 60)).image, original(photo(50, 60)).image)


def test_an_effort_is_reported_if_a_network_has_masks():
    result = sized()(photo(20, 24), effort=0.1)
    assert result.effort == 0.1 and not result.notes
    upscaler, image = Upscaler("acnet_noise_x2", scale=4, threads=1), photo(9, 9)
    result = upscaler(image, effort=0.1)
    assert result.effort is None
    assert result.notes == ("the effort changed nothing: acnet_noise_x2 computes every pixel",)
    assert not upscaler(image).notes
