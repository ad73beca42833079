"""Rates that follow measurements."""

from __future__ import annotations

import numpy as np
import pytest

from sparsesr.engine.learned_rates import LearnedRates


def test_the_first_guess_holds_until_something_is_measured():
    rates = LearnedRates((2.0, 3.0))
    assert rates.rates == (2.0, 3.0)
    assert rates.cost(np.array([[1.0], [2.0]]), np.array([[10.0, 20.0]])).tolist() == [[32, 62], [34, 64]]


@pytest.mark.parametrize("guess", [(1.0, 1.0), (1.0, 10.0), (12.0, 2.0)])
def test_rates_are_found_from_measurements_with_noise(guess):
    rng, rates = np.random.default_rng(0), LearnedRates(guess)
    for _ in range(60):
        amounts = rng.uniform(1, 10, 2)
        rates.learn(float(amounts @ (3, 5) * rng.uniform(0.95, 1.05)), *amounts)
    assert rates.rates == pytest.approx((3, 5), rel=0.25)
    assert float(rates.cost(6, 6)) == pytest.approx(6 * 8, rel=0.05)


def test_a_slower_machine_is_noticed_within_a_few_images():
    rates = LearnedRates((1.0,))
    for _ in range(20):
        rates.learn(10, 10)
    for _ in range(8):
        rates.learn(20, 10)
    assert rates.rates[0] == pytest.approx(2, rel=0.35)


def test_small_images_that_took_long_say_little_about_large_ones():
    """What a small image takes is nearly all per image, as the guess has it."""
    rates = LearnedRates((5.0, 5e-5))
    for _ in range(2):
        rates.learn(300, 1, 2400)
    assert float(rates.cost(1, 76_800)) < 900
    rates.learn(320, 1, 76_800)
    assert float(rates.cost(1, 76_800)) == pytest.approx(320, rel=0.5)


def test_a_rate_that_nothing_is_known_about_keeps_its_guess_and_none_becomes_negative():
    rates = LearnedRates((1.0, 7.0))
    for _ in range(10):
        rates.learn(2, 1, 0)
    assert rates.rates == pytest.approx((2, 7), rel=0.05)
    for _ in range(20):
        rates.learn(1e-6, 1, 1)
    assert min(rates.rates) >= 0
    rates.learn(0, 1, 1)
    assert np.isfinite(rates.rates).all()
