from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from processors import needs_bf16
from sparsesr import _native
from sparsesr.engine.check import block_means, suspicious_shift
from sparsesr.engine.plan import Box
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import ResultError
from sparsesr.runtime.session import Session
from support.patterns import patterns
from support.tiny_models import photo, tiny

_TO_FLOAT = {"uint8": 255, "uint16": 65535, "float32": 1}


def doubled(image: np.ndarray) -> np.ndarray:
    return image.repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_means_of_blocks_count_every_pixel(dtype):
    image = photo(70, 50, dtype)
    rows, columns = np.array([0, 33, 70]), np.array([0, 17, 34, 50])
    means = block_means(image, rows, columns)
    for down in range(2):
        for across in range(3):
            block = image[rows[down] : rows[down + 1], columns[across] : columns[across + 1]].astype(
                np.float64
            )
            expected = block.mean(axis=(0, 1)) / _TO_FLOAT[dtype]
            np.testing.assert_allclose(means[down, across], expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_faithful_result_is_not_suspected(dtype):
    image = photo(75, 90, dtype)
    assert suspicious_shift(image, doubled(image), 2, {}, "m") is None


def test_a_black_image_is_suspected():
    image = np.full((40, 40, 3), 100, np.uint8)
    shift = suspicious_shift(image, np.zeros((80, 80, 3), np.uint8), 2, {}, "m")
    assert (shift.block_levels, shift.image_levels, shift.is_of_image) == (
        pytest.approx(100),
        pytest.approx(100),
        True,
    )


def test_a_black_spot_is_suspected_where_it_is():
    """The mean of the whole image hides it."""
    image = np.full((320, 320, 3), 100, np.uint8)
    result = doubled(image)
    result[130:190, 262:310] = 0
    shift = suspicious_shift(image, result, 2, {}, "m")
    assert shift.box == Box(64, 128, 96, 160)
    assert shift.block_levels == pytest.approx(100 * 60 * 48 / 64**2)
    assert not shift.is_of_image


@pytest.mark.parametrize("side", [1023, 1024, 1025])
def test_the_phase_of_a_large_pattern_does_not_matter(side):
    y, x = np.mgrid[:side, :side]
    image = ((x + y) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    assert suspicious_shift(image, np.full((2 * side, 2 * side, 3), 127, np.uint8), 2, {}, "m") is None


def test_impossible_results_are_refused_at_once():
    given = photo(8, 8, "float32")
    good = doubled(given)
    with pytest.raises(ResultError, match="returned"):
        suspicious_shift(given, good[:-1], 2, {}, "m")
    with pytest.raises(ResultError, match="not numbers"):
        suspicious_shift(given, good, 2, {"attention": np.float32([np.nan])}, "m")
    good[3, 4, 1] = np.nan
    with pytest.raises(ResultError, match="not numbers"):
        suspicious_shift(given, good, 2, {}, "m")


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
@pytest.mark.parametrize("model", ["smsr_s_x2", "skim_fast_x2"])
def test_every_pattern_is_upscaled(model, precision):
    upscaler = Upscaler(model, precision=precision)
    moved = []
    for name, image in patterns(32).items():
        result = upscaler(image)
        assert not any("scalar kernels" in note for note in result.notes), name
        moved += [name for note in result.notes if "unusual pattern" in note]
    assert "diagonals" in moved, "some patterns do need the second opinion"


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", ["smsr_x2", "smsr_x3", "smsr_x4", "skim_best_x4", "noise_x2", "acnet_noise_x2"]
)
def test_patterns_are_upscaled_by_the_other_models(model):
    upscaler = Upscaler(model)
    for side in (2, 7, 16):
        for name, image in patterns(side).items():
            notes = upscaler(image).notes
            assert not any("scalar kernels" in note for note in notes), (side, name)


def test_patterns_pass_in_tiles_and_crops():
    image = np.tile(patterns(32)["diagonals"], (3, 4, 1))
    whole = Upscaler("smsr_s_x2", threads=1, precision="fp32")  # maps of 16 bits are too small to need tiles
    need = whole.plan(image).peak_bytes
    tiled = Upscaler("smsr_s_x2", threads=1, precision="fp32", memory=need - 3_000_000)(image)
    assert tiled.plan.tiles and any("unusual pattern" in note for note in tiled.notes)
    chopped = Upscaler("smsr_s_x2", threads=1, inference="chopped")(image)
    assert chopped.plan.tiles and any("unusual pattern" in note for note in chopped.notes)


def _darkened(image: np.ndarray) -> np.ndarray:
    return (image * 0.4).astype(image.dtype)


def _with_black_rows(image: np.ndarray) -> np.ndarray:
    out = image.copy()
    out[len(out) // 2 :][:40] = 0
    return out


def _with_swapped_channels(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., ::-1])


@pytest.fixture
def wrong_vector_kernels(monkeypatch):
    """A function that makes all kernels but the scalar ones return ``fault(image)``."""
    run = Session.run

    def install(fault) -> None:
        def faulty(self, *args, **kwargs):
            result = run(self, *args, **kwargs)
            if "scalar" in _native.kernel_table()["conv"]:
                return result
            return replace(result, image=fault(result.image))

        monkeypatch.setattr(Session, "run", faulty)

    before = _native.set_cpu(None)
    yield install
    _native.set_cpu(before)


@pytest.mark.skipif(_native.cpu_features() == ["scalar"], reason="there are only scalar kernels")
@pytest.mark.parametrize("fault", [_darkened, _with_black_rows, _with_swapped_channels, np.zeros_like])
@pytest.mark.parametrize("picture", ["photograph", "pattern"])
def test_broken_arithmetic_is_caught_on_every_picture(wrong_vector_kernels, fault, picture):
    image = photo(40, 48) if picture == "photograph" else patterns(48)["coloured columns"]
    image[..., 0] //= 3
    upscaler = Upscaler("smsr_s_x2", precision="fp32")
    right = upscaler(image).image
    wrong_vector_kernels(fault)
    result = upscaler(image)
    assert "the scalar kernels gave a plausible result" in result.notes[0]
    np.testing.assert_allclose(result.image, right, atol=3)


def test_a_model_that_changes_every_colour_is_refused():
    """Right arithmetic with wrong weights: the kernels agree, but a flat colour does not survive."""
    model = tiny()
    bias = model.tensors["tail.0.bias"]
    with pytest.raises(ResultError, match="flat area"):
        Upscaler(replace(model, tensors={**model.tensors, "tail.0.bias": bias + np.float32(0.3)}))(
            photo(40, 40)
        )
