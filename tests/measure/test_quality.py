from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

import graphs
from image_sets import write_two_sets
from runtime.random_graphs import tokens
from sparsesr.image.metrics import psnr_y, ssim_y
from sparsesr.measure.chopped import ChoppedMethod, resolve_inference
from sparsesr.measure.native import NativeMethod
from sparsesr.measure.protocol import find_sets, load_pair
from sparsesr.measure.quality import evaluate
from sparsesr.measure.quality_plot import quality_plot
from sparsesr.measure.tables import TableRow
from sparsesr.runtime.session import Session


def test_crops_are_measured_separately():
    whole = NativeMethod(tokens(), 1)
    image = np.random.default_rng(0).integers(0, 256, (41, 38, 3), np.uint8)
    chopped = ChoppedMethod(whole).upscale(image)
    assert chopped.image.shape == (82, 76, 3)
    corner = whole.upscale(image[:30, :29])  # the first quarter, with ten pixels more
    np.testing.assert_array_equal(chopped.image[:40, :38], corner.image[:40, :38])
    assert chopped.macs != whole.upscale(image).macs


def test_networks_without_attention_between_pixels_are_measured_whole():
    assert resolve_inference("auto", graphs.smsr(16, modules=1, layers=2)) == "whole"
    assert resolve_inference("auto", tokens()) == "chopped"


def test_a_result_summarises_its_images(tmp_path):
    model = graphs.smsr(16, modules=2, layers=2)
    images, seen = find_sets(write_two_sets(tmp_path), 2, ["B"])[0], []
    result = evaluate(NativeMethod(model, 1), images, seen.append)
    assert (result.name, list(result.images)) == ("B", seen)
    assert result.mean("psnr_y") == np.mean([image.psnr_y for image in seen])
    pair, session = load_pair(images.images[1], 2, 2), Session(model, 1)
    done = session.run(pair.lr, out_dtype=np.uint8)
    assert seen[1].name == "two"
    assert seen[1].psnr_y == psnr_y(done.image, pair.hr, 2)
    assert seen[1].ssim_y == ssim_y(done.image, pair.hr, 2)
    assert seen[1].masks == pytest.approx(done.stats.densities)
    assert seen[1].density == pytest.approx(done.stats.density) and seen[1].macs == done.stats.macs


def test_the_plot_of_quality_against_time():
    rows = [
        TableRow("Set5", "fast & small", 2, "fp32", 36.0, 0.95, 0.5, 1e9, 0.1),
        TableRow("Set5", "slow", 2, "fp32", 38.0, 0.96, 0.5, 1e9, 1.0),
        TableRow("Set14", "slow", 2, "fp32", float("inf"), 1.0, 0.5, 1e9, 1.0),
    ]
    root = ElementTree.fromstring(quality_plot(rows))  # noqa: S314  # our own text
    dots = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(dots) == 2 and {"Set5", "Set14", "fast & small", "0.1", "1"} <= set(texts)
    (x1, y1), (x2, y2) = ((float(dot.get("cx")), float(dot.get("cy"))) for dot in dots)
    assert x1 < x2 and y1 > y2  # slower is to the right, better is above


def test_rows_of_one_model_are_joined_and_named_once():
    efforts = [TableRow("Set5", "ours", 2, "fp32", 36.0 + x, 0.95, 0.5, 1e9, 0.1 * 2**x) for x in range(3)]
    root = ElementTree.fromstring(quality_plot([*efforts, replace(efforts[0], model="other")]))  # noqa: S314
    found = [list(root.iter("{http://www.w3.org/2000/svg}" + name)) for name in ("circle", "line", "text")]
    colour = found[0][0].get("fill")
    assert [dot.get("fill") == colour for dot in found[0]] == [True, True, True, False]
    assert sum(line.get("stroke") == colour for line in found[1]) == 2
    assert [text.text for text in found[2]].count("ours") == 1


def test_networks_for_comparison_are_grey_and_a_line_shows_the_frontier():
    fast = TableRow("Set5", "ours", 2, "fp32", 36.0, 0.95, 0.5, 1e9, 0.1)
    rows = [
        fast,
        replace(fast, model="slow", seconds=0.5),
        replace(fast, model="good", psnr_y=37.0, seconds=1.0),
    ]
    root = ElementTree.fromstring(quality_plot(rows, others={"slow", "good"}, time_label="s"))  # noqa: S314
    dots = [dot.get("fill") for dot in root.iter("{http://www.w3.org/2000/svg}circle")]
    lines = [
        line for line in root.iter("{http://www.w3.org/2000/svg}line") if line.get("stroke-width") == "3"
    ]
    assert dots.count("#8a8a8a") == 2 and len(set(dots)) == 2
    assert len(lines) == 3  # from the fast one to the good one, and on: past the slow one, which is no better
    assert "s" in [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
