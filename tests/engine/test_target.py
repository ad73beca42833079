"""``--target-ms`` with a simulated clock: nothing here depends on the speed of the machine."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import graphs
from sparsesr.cli.main import main
from sparsesr.engine.target import (
    SEAM_ROWS,
    STRIP_ROWS,
    CostModel,
    choose_effort,
    inner_rows,
    probe_of,
)
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import UsageError
from sparsesr.modelfile.catalogue import install_model
from support.tiny_models import photo, tiny


class Machine:
    """Simulates time per pixel and per active pixel. Brighter pixels become active at lower efforts."""

    def __init__(self, ms_per_pixel: float = 1e-3, ms_per_active: float = 2e-3) -> None:
        self.now_s = 0.0
        self.per_pixel, self.per_active = ms_per_pixel, ms_per_active

    def clock(self) -> float:
        return self.now_s

    def run(self, pixels: np.ndarray, effort: float) -> list[np.ndarray]:
        mask = pixels[..., 0] >= 200 - 150 * effort
        self.now_s += (mask.size * self.per_pixel + mask.sum() * self.per_active) / 1000
        return [mask, mask]


def stripes(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Uniformly distributed grey values, so that density is linear in the effort and any rows are typical."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.integers(0, 256, (height, width, 1), dtype=np.uint8), 3, axis=2)


@pytest.mark.parametrize("target_ms", [220, 250, 300])
@pytest.mark.parametrize("speed", [0.5, 1.0])
def test_the_target_is_met(target_ms, speed):
    machine, image = Machine(1e-3 / speed, 2e-3 / speed), stripes(300, 320)
    target_ms = target_ms / speed
    report = choose_effort(machine.run, image, target_ms, clock=machine.clock)
    assert report.note is None
    assert report.probe_ms == pytest.approx(machine.now_s * 1000)
    machine.run(image, report.effort)
    assert machine.now_s * 1000 == pytest.approx(target_ms, rel=0.02)
    assert report.predicted_ms == pytest.approx(target_ms)


def test_the_effort_rises_with_the_target():
    efforts = [
        choose_effort(machine.run, stripes(200, 100), target, clock=machine.clock).effort
        for target in range(20, 90, 10)
        for machine in [Machine()]
    ]
    assert efforts == sorted(efforts)
    assert efforts[0] == 0
    assert efforts[-1] == 1


@pytest.mark.parametrize(("target_ms", "effort", "which"), [(1, 0, "least"), (10_000, 1, "most")])
def test_an_unreachable_target_is_reported_with_the_reachable_times(target_ms, effort, which):
    machine = Machine()
    report = choose_effort(machine.run, stripes(300, 320), target_ms, clock=machine.clock)
    least, most = report.reachable_ms
    assert report.effort == effort
    assert report.note is not None
    assert f"about {least:.0f} to {most:.0f} ms" in report.note
    assert f"the {which} effort" in report.note


def test_overlapping_tiles_raise_the_predicted_time():
    machine, image = Machine(), stripes(300, 320)
    whole = choose_effort(machine.run, image, 200, clock=machine.clock)
    tiled = choose_effort(machine.run, image, 200, work_fraction=1.5, clock=machine.clock)
    expected = [1.5 * (ms - whole.probe_ms) for ms in whole.reachable_ms]
    assert [ms - tiled.probe_ms for ms in tiled.reachable_ms] == pytest.approx(expected)


def test_masks_that_ignore_the_effort_give_a_constant_time():
    model = CostModel(10.0, 0.0, 0.4, 0.4)
    assert model.effort_for(9) == 0
    assert model.effort_for(11) == 1
    machine = Machine()
    report = choose_effort(machine.run, np.zeros((200, 50, 3), np.uint8), 5, clock=machine.clock)
    assert report.reachable_ms[0] == pytest.approx(report.reachable_ms[1])


@pytest.mark.parametrize("height", [1, 20, 48, 49, 255, 2000])
def test_the_probe_consists_of_rows_of_the_image(height):
    image = np.arange(height, dtype=np.int32)[:, None, None].repeat(3, axis=2)
    rows = probe_of(image)[:, 0, 0]
    assert len(set(rows)) == len(rows)
    assert list(rows) == sorted(rows)
    assert len(rows) <= max(2 * STRIP_ROWS, 0.2 * height)
    if height > 2 * STRIP_ROWS:
        assert len(rows) % STRIP_ROWS == 0
        assert (np.diff(rows) != 1).sum() <= len(rows) // STRIP_ROWS - 1
        inner = inner_rows(len(rows))
        assert inner.sum() == len(rows) // STRIP_ROWS * (STRIP_ROWS - 2 * SEAM_ROWS)
    else:
        assert len(rows) == height


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target_ms": 0}, "greater than 0"),
        ({"target_ms": float("nan")}, "greater than 0"),
        ({"target_ms": 10, "effort": 0.5}, "leave effort out"),
    ],
)
def test_invalid_targets(arguments, message):
    with pytest.raises(UsageError, match=message):
        Upscaler(tiny())(photo(8, 8), **arguments)
    with pytest.raises(UsageError, match="computes every pixel"):
        Upscaler(graphs.plain())(photo(8, 8), target_ms=10)


def test_upscaler_reports_the_target_and_uses_its_effort():
    upscaler, image = Upscaler(tiny(), threads=1), photo(100, 40)
    result = upscaler(image, target_ms=1e-3)
    assert result.effort == 0
    assert result.target.effort == 0
    assert result.target.actual_ms > result.target.probe_ms > 0
    assert any("out of reach" in note for note in result.notes)
    assert np.array_equal(result.image, upscaler(image, effort=0).image)
    most = upscaler(image, target_ms=1e9)
    assert most.effort == 1
    assert most.stats.macs == upscaler(image, effort=1).stats.macs
    assert upscaler(image).target is None


def test_upscale_verb_takes_a_target(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    install_model(tiny(), "tiny")
    Image.fromarray(photo(60, 40)).save("a.png")
    assert main(["upscale", "a.png", "-n", "tiny", "--target-ms", "1e9"]) == 0
    captured = capsys.readouterr()
    assert "effort 1.00: density" in captured.out
    assert "out of reach" in captured.err
    assert main(["upscale", "a.png", "-n", "tiny", "--target-ms", "1e9", "--json", "--overwrite"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["target"]["target_ms"] == 1e9
    assert record["effort"] == record["target"]["effort"] == 1
    assert main(["upscale", "a.png", "-n", "tiny", "--target-ms", "0"]) == 2
    assert main(["upscale", "a.png", "-n", "tiny", "--target-ms", "5", "--effort", "0.5"]) == 2
    assert "--target-ms chooses the effort" in capsys.readouterr().err


def test_the_effort_changes_the_reported_work():
    upscaler, image = Upscaler(tiny(), threads=1), photo(40, 50)
    least, learned, most = (upscaler(image, effort=effort) for effort in (0, None, 1))
    assert least.stats.macs < learned.stats.macs < most.stats.macs
    assert least.stats.density < learned.stats.density < most.stats.density
    assert [result.effort for result in (least, learned, most)] == [0, None, 1]
