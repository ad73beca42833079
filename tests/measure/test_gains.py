"""Calibration of budgets: the table's sums are those of the photographs, and forecasts of them come out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import graphs
from sparsesr.engine.contrast import contrast_bins
from sparsesr.engine.forecast import EFFORTS, LEVELS, Forecaster, gap_bins
from sparsesr.engine.mask_gaps import MaskGaps
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import UsageError
from sparsesr.image.metrics import rgb_to_y
from sparsesr.image.resize import imresize
from sparsesr.measure import gains
from sparsesr.measure.gains import with_gain_tables
from sparsesr.measure.precision_cost import PHOTOGRAPHS
from sparsesr.measure.protocol import find_sets, load_pairs
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.session import Session
from support.tiny_models import photo, tiny


def true_gains(model, pair) -> np.ndarray:
    """Squared error of luma that each effort removes against bicubic."""
    session, y = Session(model, 1), rgb_to_y(pair.hr)

    def error(image):
        return np.square(rgb_to_y(image) - y).sum()

    bicubic = error(imresize(pair.lr, 2))
    return np.array([bicubic - error(session.run(pair.lr, effort=effort).image) for effort in EFFORTS])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("hr")
    for seed in range(2):
        Image.fromarray(photo(60, 80, seed=seed)).save(place / f"{seed}.png")
    return place


def test_the_table_holds_the_gains_and_densities_of_the_images(folder):
    """Means are those of whole runs; number x factor summed over all pixels is the measured gain."""
    model = with_gain_tables(tiny(), folder, threads=1)
    (table,) = model.facts.gain_tables
    pairs = [pair for _, pair in load_pairs(find_sets(folder, 2)[0], 2, 2)]
    pixels = sum(pair.lr.size // 3 for pair in pairs)
    for known in (table.efforts[0], table.efforts[8], table.efforts[16]):
        true = sum(true_gains(model, pair)[EFFORTS.index(known.effort)] for pair in pairs)
        masks = [Session(model, 1).run(pair.lr, effort=known.effort, keep_masks=True).masks for pair in pairs]
        assert known.gain == pytest.approx(true / pixels, rel=1e-3)
        active = sum(np.mean(each, axis=0).sum() for each in masks)
        assert known.mean_density == pytest.approx(active / pixels, rel=1e-3)
        bins = [
            gap_bins(MaskGaps(model, 1)(pair.lr), table.first_gap, table.gap_step, table.bins)
            for pair in pairs
        ]
        assert sum(np.array(known.densities)[each].sum() for each in bins) == pytest.approx(
            active, rel=0.03, abs=20
        )
    for numbers, known in ((table.least_gains, table.efforts[0]), (table.learned_gains, table.efforts[8])):
        factors = [
            np.array(table.contrast_factors)[contrast_bins(p.lr, len(table.contrast_factors))] for p in pairs
        ]
        explained = sum((np.array(numbers)[b] * f).sum() for b, f in zip(bins, factors, strict=True))
        spread = max(map(abs, numbers)) * pixels
        assert explained == pytest.approx(known.gain * pixels, abs=0.03 * spread)
    assert table.measured_on == f"{folder.name} (2 images)"


def test_forecasts_of_photographs_follow_their_true_gains_and_costs():
    model = load("skim_fast_x2")
    upscaler = Upscaler(model, threads=1, precision="fp32")
    forecaster = Forecaster(upscaler.network)
    totals, forecasts = [], []
    for _, pair in load_pairs(find_sets(PHOTOGRAPHS, 2)[0], 2, 2):
        forecast = forecaster(pair.lr, upscaler.plan(pair.lr), 4 * pair.lr.size // 3)
        assert len(forecast.gains) == len(forecast.densities) == len(LEVELS)
        assert forecast.gains[0] == forecast.densities[0] == 0
        for effort in (0.25, 0.5, 0.75):
            done = upscaler(pair.lr, effort=effort)
            level = LEVELS.index(effort)
            (density,) = done.stats.densities.values()
            assert forecast.densities[level] == pytest.approx(density, abs=0.12)
            active = (forecast.dense_macs - forecast.inactive_macs) * forecast.densities[level]
            assert forecast.inactive_macs + active == pytest.approx(done.stats.macs, rel=0.35)
        totals.append(true_gains(model, pair)[EFFORTS.index(0.5)])
        forecasts.append(forecast.gains[LEVELS.index(0.5)])
    assert sum(forecasts) == pytest.approx(sum(totals), rel=0.5)
    assert np.corrcoef(forecasts, totals)[0, 1] > 0.7


def test_all_types_of_pixels_and_small_images_have_forecasts():
    upscaler = Upscaler("skim_fast_x2", threads=1, precision="fp32")
    forecaster, image = Forecaster(upscaler.network), photo(40, 50)
    expected = forecaster(image, upscaler.plan(image), 8000)
    for same in (image.astype(np.uint16) * 257, (image / 255).astype(np.float32)):
        got = forecaster(same, upscaler.plan(same), 8000)
        assert np.allclose(got.gains, expected.gains, rtol=0.05)
    for size in ((1, 1), (2, 7), (17, 3)):
        small = photo(*size)
        assert np.isfinite(forecaster(small, upscaler.plan(small), 4 * small.size // 3).gains).all()


def test_models_that_cannot_be_run_with_a_budget_are_refused():
    with pytest.raises(UsageError, match="no record of what each effort gains; `sparsesr models calibrate"):
        Forecaster(Upscaler(tiny()).network)
    with pytest.raises(UsageError, match="computes every pixel"):
        Forecaster(Upscaler(graphs.plain()).network)
    with pytest.raises(UsageError, match="only models with masks"):
        with_gain_tables(graphs.plain())


def test_bundled_models_with_masks_have_tables_of_the_bundled_photographs(monkeypatch):
    """Other weights need a new table: `sparsesr models calibrate`."""
    model = load("skim_fast_x2")
    (table,) = model.facts.gain_tables
    assert [effort.effort for effort in table.efforts] == list(gains.EFFORTS)
    monkeypatch.setattr(gains, "EFFORTS", (0.0, 0.5, 1.0))
    monkeypatch.setattr(gains, "_LEARNED", 1)
    again = with_gain_tables(replace(model, facts=replace(model.facts, gain_tables=())), threads=1)
    for known in again.facts.gain_tables[0].efforts:
        stored = next(effort for effort in table.efforts if effort.effort == known.effort)
        assert stored.gain == pytest.approx(known.gain, rel=0.02)
        assert stored.mean_density == pytest.approx(known.mean_density, abs=0.005)
        assert np.allclose(stored.densities, known.densities, atol=0.02)
    assert np.allclose(table.learned_gains, again.facts.gain_tables[0].learned_gains, rtol=0.05, atol=3)
    for name in ("smsr_s_x2", "smsr_x2", "smsr_x3", "smsr_x4"):
        assert load(name).facts.gain_table() is not None
