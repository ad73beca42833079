"""Calibration for int8: the scales follow the values of maps, and the best rule is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphs import GraphBuilder, smsr
from runtime.random_graphs import only_bicubic, random_image
from sparsesr.errors import UsageError
from sparsesr.measure import calibration, observed_maps
from sparsesr.measure.calibration import calibrate, quantisable_layers, with_int8_scales, with_scales
from sparsesr.measure.observed_maps import observe
from sparsesr.modelfile.operations.attributes import INT8_SCALES
from sparsesr.modelfile.operations.registry import feature_inputs
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.runtime.session import Session

MODEL = smsr(16, modules=2, layers=2, seed=1)
IMAGES = [random_image(20, 24, seed=1), random_image(22, 18, seed=2)]


def test_observed_values_are_those_of_the_map():
    """An input map minus its offset is known; a masked map is sampled at active pixels only."""
    found = observe(MODEL, IMAGES, ["image", "body.0.layer0"], 1)
    image = np.concatenate([i.reshape(-1, 3) for i in IMAGES]) - MODEL.graph.nodes[0].attrs["offset"]
    assert image.min() - 1e-6 <= found["image"].min() and found["image"].max() <= image.max() + 1e-6
    np.testing.assert_allclose(found["image"].mean(), image.mean(), atol=0.02)
    result = Session(MODEL, 1).run(IMAGES[0], keep_masks=True)
    assert 0 < result.masks[0].mean() < 1
    (one,) = observe(MODEL, IMAGES[:1], ["body.0.layer0"], 1).values()
    assert (
        one.size == -(-result.masks[0].sum() * 16 // 7) or abs(one.size - result.masks[0].sum() * 16 / 7) < 24
    )


@pytest.mark.parametrize("channels", [7, 14, 16, 21])
def test_every_channel_is_sampled(channels, monkeypatch):
    model = smsr(channels, modules=1, layers=2, seed=3)
    (some,) = observe(model, IMAGES[:1], ["head.2"], 1).values()
    monkeypatch.setattr(observed_maps, "_EVERY", 1)
    (whole,) = observe(model, IMAGES[:1], ["head.2"], 1).values()
    assert len(some) < len(whole) / 6
    for channel in whole.reshape(-1, channels).T:
        assert np.isin(some, channel).any()


@pytest.mark.parametrize("rule", [99.9, 100.0, "least squares"])
@pytest.mark.parametrize("largest", [127, 255])
def test_scales_follow_the_values(rule, largest):
    values = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    scale = calibration._scale(values, largest, rule)
    for factor in (0.001, 1000.0):
        assert calibration._scale(values * np.float32(factor), largest, rule) == pytest.approx(
            scale * factor, rel=1e-3
        )
    assert np.percentile(np.abs(values), 99) < scale * largest <= np.abs(values).max() * 1.001


def test_outliers_saturate_where_that_costs_less():
    values = np.append(np.random.default_rng(0).standard_normal(20_000), 1000.0).astype(np.float32)
    exact, least = (calibration._scale(values, 127, rule) for rule in (100.0, "least squares"))
    assert (
        exact * 127 == pytest.approx(1000, rel=1e-3)
        and 3 < calibration._scale(values, 127, 99.99) * 127 < 100
    )
    assert calibration._rounding_error(values, least, 127) <= calibration._rounding_error(values, exact, 127)


def test_a_map_of_zeros_has_a_scale():
    assert calibration._scale(np.zeros(10, np.float32), 255, 100.0) > 0
    assert calibration._scale(np.zeros(0, np.float32), 255, "least squares") > 0


def test_all_layers_get_scales_of_their_inputs():
    found = calibrate(MODEL, {2: IMAGES}, 1)
    model = with_scales(MODEL, found.scales)
    able = {node.output for node in quantisable_layers(MODEL)}
    assert len(able) > 10 and found.error > 0
    for node in model.graph.nodes:
        expected = [found.scales[name] for name in feature_inputs(node)] if node.output in able else []
        assert INT8_SCALES.of(node) == expected
    assert with_scales(model, {}).graph == MODEL.graph


def test_the_rule_with_the_least_error_wins(monkeypatch):
    monkeypatch.setattr(calibration, "has_instructions", lambda _: True)
    errors = {}
    for rules in ((99.9,), (100.0,), ("least squares",), (99.9, 100.0)):
        monkeypatch.setattr(calibration, "PERCENTILES", tuple(r for r in rules if r != "least squares"))
        found = calibrate(MODEL, {2: IMAGES}, 1)
        errors[rules] = found.error
    assert errors[99.9, 100.0] == min(errors.values())


def _two_tails() -> ModelFile:
    """A layer that x2 and x3 share reads ``trunk``."""
    build = GraphBuilder()
    trunk = build.conv([build.add("image", (), "image")], "trunk", 3, 16, activation="relu")
    shared = build.conv([trunk], "shared", 16, 16)
    tails = {scale: build.conv([shared], f"tail{scale}", 16, 3 * scale**2) for scale in (2, 3)}
    two, three = (
        build.add("pixel_shuffle", [tail], f"output{scale}", scale=scale) for scale, tail in tails.items()
    )
    facts = Facts(name="two_tails", architecture="plain", scale=2)
    return ModelFile(facts, Graph("image", two, tuple(build.nodes), {3: three}), build.tensors)


def test_images_of_all_scales_count_for_the_maps_that_scales_share(monkeypatch):
    monkeypatch.setattr(calibration, "has_instructions", lambda _: False)
    bright, dark = IMAGES, [image * np.float32(0.1) for image in IMAGES]
    found = [
        calibrate(_two_tails(), images, 1).scales["trunk"]
        for images in ({2: bright, 3: dark}, {3: dark, 2: bright}, {2: dark, 3: dark})
    ]
    assert found[0] == found[1] > 2 * found[2]


def test_bundled_photographs_calibrate_a_model_of_several_scales():
    both = replace(
        MODEL, graph=replace(MODEL.graph, more_outputs={}), facts=replace(MODEL.facts, int8_costs=())
    )
    model = with_int8_scales(both, threads=1)
    assert Session(model, 1, "int8", emulate=True).precision == "int8"


def test_a_network_without_such_layers_is_refused():
    with pytest.raises(UsageError, match="no layer that can run in int8"):
        with_int8_scales(only_bicubic())
