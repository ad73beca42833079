"""``Upscaler.refine``: every step equals a plain run, and deadlines hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.random_graphs import only_bicubic
from sparsesr.engine import refinement
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, UsageError
from sparsesr.image.alpha import upscale_alpha
from sparsesr.image.metrics import psnr_y
from sparsesr.image.resize import imresize
from sparsesr.measure.precision_cost import PHOTOGRAPHS
from sparsesr.measure.protocol import find_sets, load_pairs
from support.tiny_models import photo, tiny

EFFORTS = (0.0, 0.3, 0.5, 0.9)
SAMPLE = Path(__file__).parents[2] / "samples" / "coffee.jpg"


def plain(upscaler: Upscaler, image, effort):
    return np.asarray(upscaler(image, effort=effort).image)


@pytest.mark.parametrize("precision", ["fp32", "auto"])
@pytest.mark.parametrize("model", ["tiny", "skim_fast_x2"])
def test_every_step_equals_the_plain_run_bit_for_bit(model, precision):
    upscaler = Upscaler(tiny() if model == "tiny" else model, threads=1, precision=precision)
    image = np.asarray(
        Image.open(SAMPLE).crop((230, 40, 280, 100))
    )  # edges of a cup: every effort has its mask
    first, *steps = upscaler.refine(image, efforts=EFFORTS)
    assert first.is_bicubic and np.array_equal(first.image, imresize(image, 2))
    assert [step.effort for step in steps] == list(EFFORTS)
    for step in steps:
        assert np.array_equal(step.image, plain(upscaler, image, step.effort))
    seconds = [step.seconds for step in (first, *steps)]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_arrays_with_alpha_have_the_alpha_of_plain_runs(dtype):
    upscaler, image = Upscaler(tiny(), threads=1), photo(20, 24, dtype, channels=4)
    image[5:9, 3:12, 3] = 0
    first, *steps = upscaler.refine(image, efforts=(0.2, 0.6))
    assert np.array_equal(
        first.image[..., 3], np.clip(upscale_alpha(image[..., 3], 2), 0, 1 if dtype == "float32" else None)
    )
    for step in steps:
        assert step.image.dtype == image.dtype
        assert np.array_equal(step.image, plain(upscaler, image, step.effort))


def test_pil_images_stay_pil_images():
    upscaler, image = Upscaler(tiny(), threads=1), Image.fromarray(photo(18, 22))
    for step in upscaler.refine(image, efforts=(0.5,)):
        assert isinstance(step.image, Image.Image) and step.image.size == (44, 36)
    assert np.array_equal(np.asarray(step.image), plain(upscaler, image, 0.5))


def test_other_sizes_and_several_networks():
    for scale in (1.5, 4):
        upscaler, image = Upscaler(tiny(), scale=scale, threads=1), photo(16, 20, channels=4)
        first, *steps = upscaler.refine(image, efforts=(0.3, 0.7))
        assert np.array_equal(first.image[..., :3], imresize(image[..., :3], scale))
        for step in steps:
            assert np.array_equal(step.image, plain(upscaler, image, step.effort))


def test_steps_are_better_and_better_on_photographs():
    upscaler = Upscaler("skim_fast_x2", precision="fp32")
    for _, pair in load_pairs(find_sets(PHOTOGRAPHS, 2)[0], 2, 2):
        quality = [psnr_y(step.image, pair.hr, 2) for step in upscaler.refine(pair.lr)]
        assert len(quality) >= 4 and quality == sorted(quality)


def test_an_effort_that_changes_no_pixel_is_left_out():
    upscaler, image = (
        Upscaler("skim_fast_x2", threads=1, precision="fp32"),
        np.full((40, 40, 3), 120, np.uint8),
    )
    efforts = (0.0, 0.01, 0.02, 1.0)
    steps = list(upscaler.refine(image, efforts=efforts))
    left_out = set(efforts) - {step.effort for step in steps}
    assert left_out
    for effort in left_out:
        before = max((step for step in steps[1:] if step.effort < effort), key=lambda step: step.effort)
        assert np.array_equal(before.image, plain(upscaler, image, effort))


class Clock:
    """Time that passes only when a network or bicubic runs."""

    def __init__(self, monkeypatch, step_s: float) -> None:
        self.now, self.step_s = 100.0, step_s
        monkeypatch.setattr(refinement.time, "perf_counter", lambda: self.now)

    def spending(self, upscaler: Upscaler, monkeypatch) -> None:
        run = Upscaler.upscale_planes

        def slow(planes, *arguments):
            result = run(planes, *arguments)
            self.now += self.step_s
            return result

        monkeypatch.setattr(Upscaler, "upscale_planes", slow)


@pytest.mark.parametrize(
    ("deadline_ms", "steps"), [(500, 1), (1_000, 1), (2_500, 2), (4_100, 4), (99_000, 5)]
)
def test_the_deadline_is_kept(deadline_ms, steps, monkeypatch):
    """Each step takes one second; none is begun that would take longer than what is left."""
    upscaler, clock = Upscaler(tiny(), threads=1), Clock(monkeypatch, 1.0)
    clock.spending(upscaler, monkeypatch)
    results = list(upscaler.refine(photo(10, 10), efforts=EFFORTS, deadline_ms=deadline_ms))
    assert len(results) == steps and results[0].is_bicubic
    assert all(result.seconds * 1000 <= max(deadline_ms, 1000) for result in results)


def test_a_step_ends_when_the_deadline_passes_in_its_middle(monkeypatch):
    upscaler, clock = Upscaler(tiny(), threads=1), Clock(monkeypatch, 0.0)
    seen = []

    def ticking():
        clock.now += 0.4
        seen.append(clock.now)
        return False

    results = list(upscaler.refine(photo(300, 300), deadline_ms=1000, cancelled=ticking))
    assert results[0].is_bicubic and len(results) < 6
    assert all(step.seconds <= 1.0 for step in results[1:])


def test_the_caller_may_stop_and_cancel():
    upscaler = Upscaler(tiny(), threads=1)
    steps = upscaler.refine(photo(10, 10))
    assert next(steps).is_bicubic
    steps.close()
    assert upscaler.budget.reserved_bytes == 0
    with pytest.raises(CancelledError):
        list(upscaler.refine(photo(10, 10), cancelled=lambda: True))


def test_a_model_without_masks_has_two_steps():
    upscaler, image = Upscaler(only_bicubic(), threads=1), photo(9, 9)
    first, second = upscaler.refine(image)
    assert first.is_bicubic and second.effort is None
    assert np.array_equal(second.image, upscaler(image).image)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"efforts": (0.5, 0.2)}, "ascend"),
        ({"efforts": (0.5, 1.2)}, "ascend"),
        ({"deadline_ms": 0}, "greater than 0"),
        ({"deadline_ms": float("nan")}, "greater than 0"),
        ({"deadline_ms": "5"}, "must be a number"),
    ],
)
def test_invalid_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(UsageError, match=message):
        Upscaler(tiny()).refine(photo(8, 8), **arguments)
