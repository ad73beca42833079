"""Files choose their default model by what they say about their compression, whatever upscales them."""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sparsesr
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.image.decode import decode
from sparsesr.jobs.batch import upscale_files
from sparsesr.jobs.batch_budget import BatchBudget
from sparsesr.jobs.files import FileResult, WriteOptions, upscale_file
from sparsesr.jobs.frames import FrameReader
from sparsesr.jobs.pipe import upscale_frames
from sparsesr.jobs.record import record_of
from sparsesr.jobs.survey import Survey
from support.tiny_models import photo

PNG = WriteOptions(format="png")


def jpeg(quality: int, height: int = 20, width: int = 30) -> bytes:
    data = io.BytesIO()
    Image.fromarray(photo(height, width)).save(data, "JPEG", quality=quality)
    return data.getvalue()


def png(height: int = 20, width: int = 30) -> bytes:
    data = io.BytesIO()
    Image.fromarray(photo(height, width)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def upscaler() -> Upscaler:
    return Upscaler(threads=1)


@pytest.fixture
def mixed(tmp_path) -> dict[Path, Path]:
    """A clean file between two compressed ones."""
    for name, data in (("a.jpg", jpeg(60)), ("b.png", png()), ("c.jpg", jpeg(30)), ("d.jpg", jpeg(98))):
        (tmp_path / name).write_bytes(data)
    return {path: tmp_path / "out" / f"{path.stem}.png" for path in sorted(tmp_path.iterdir())}


@contextmanager
def unwatched(source: Path):
    yield RunOptions()


@pytest.mark.parametrize(
    ("data", "model"),
    [(jpeg(60), "photo_x2"), (jpeg(98), "skim_fast_x2"), (png(), "skim_fast_x2")],
    ids=["JPEG 60", "JPEG 98", "PNG"],
)
def test_the_record_names_the_model_that_made_the_result(upscaler, data, model):
    done = upscale_file(upscaler, data, None, RunOptions(), PNG)
    expected = Upscaler(model, threads=1)
    np.testing.assert_array_equal(decode(done.upscaled.image).rgb, expected(decode(data).rgb).image)
    record = record_of(done, "a", "b")
    assert (record["model"], record["passes"]) == (model, [{"model": model, "scale": 2}])
    assert record["precision_reason"] == expected.network.session.precision_reason
    assert record["jpeg_quality"] == decode(data).jpeg_quality


def test_a_named_model_is_kept(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(60))
    named = sparsesr.upscale(tmp_path / "a.jpg", model="skim_fast_x2", output=tmp_path / "named.png")
    default = sparsesr.upscale(tmp_path / "a.jpg", output=tmp_path / "default.png")
    pixels = decode(tmp_path / "a.jpg").rgb
    np.testing.assert_array_equal(decode(named).rgb, sparsesr.upscale(pixels))
    np.testing.assert_array_equal(decode(default).rgb, sparsesr.upscale(pixels, model="photo_x2"))


def test_a_batch_takes_both_within_its_memory(upscaler, mixed):
    (next(iter(mixed.values()))).parent.mkdir()
    models, kept = [], []
    for _, _, outcome in upscale_files(upscaler, mixed, WriteOptions(), unwatched):
        assert isinstance(outcome, FileResult), outcome
        models.append(outcome.model)
        kept.append(upscaler.idle_bytes)
    assert models == ["photo_x2", "skim_fast_x2", "photo_x2", "skim_fast_x2"]
    assert kept[0] == kept[2] > 0 and kept[1] == kept[3] > 0  # of one network only


def test_images_of_a_pipe(upscaler):
    frames = io.BytesIO(b"".join(b"%d\n%b" % (len(data), data) for data in (jpeg(60), png())))
    outcomes = upscale_frames(upscaler, FrameReader(frames, 10**6), WriteOptions(), unwatched)
    assert [outcome.model for _, outcome in outcomes] == ["photo_x2", "skim_fast_x2"]


def test_a_target_is_met_with_the_model_of_the_file(upscaler):
    done = upscale_file(upscaler, jpeg(60, 60, 80), None, RunOptions(target_ms=1e6), PNG)
    assert (done.model, done.upscaled.effort) == ("photo_x2", 1.0)


def test_efforts_are_those_of_the_model_of_the_file(upscaler):
    done = upscale_file(upscaler, jpeg(60), None, RunOptions(effort=0.25), PNG)
    expected = Upscaler("photo_x2", threads=1)(decode(jpeg(60)).rgb, effort=0.25)
    np.testing.assert_array_equal(decode(done.upscaled.image).rgb, expected.image)


def test_the_plan_is_that_of_the_model_of_the_file(upscaler):
    announced = []
    options = RunOptions(on_plan=lambda plan: announced.append(plan.peak_bytes))
    for model, data in (("photo_x2", jpeg(60)), ("skim_fast_x2", png())):
        for each in (upscaler, Upscaler(model, threads=1)):
            upscale_file(each, data, None, options, PNG)
    of_jpeg, named_for_jpeg, of_png, named_for_png = announced
    assert of_jpeg == named_for_jpeg != of_png == named_for_png


@pytest.mark.parametrize("unit", ["s", "macs"])
def test_a_budget_knows_what_each_model_costs(upscaler, mixed, unit):
    survey = Survey(upscaler, unit)
    compressed, clean, *_ = forecasts = [survey.forecast(source) for source in mixed]
    assert compressed.dense_macs > 2 * clean.dense_macs > 0
    costs = survey.costs.of(forecasts)
    # Of small images, much of the time does not depend on the network.
    assert costs[0, -1] > (1.5 if unit == "macs" else 1.0) * costs[1, -1]


def test_a_budget_is_divided_among_both(upscaler, mixed):
    (next(iter(mixed.values()))).parent.mkdir()
    budget = BatchBudget(macs=5e9)
    outcomes = [outcome for *_, outcome in upscale_files(upscaler, mixed, PNG, unwatched, budget=budget)]
    assert [outcome.model for outcome in outcomes] == ["photo_x2", "skim_fast_x2"] * 2
    for outcome in outcomes:
        assert outcome.share.effort is not None
        assert outcome.share.predicted == pytest.approx(outcome.upscaled.stats.macs, rel=0.2)
