from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from processors import needs_bf16
from sparsesr import _native
from sparsesr.engine import plan as plan_module
from sparsesr.engine.execute import Network
from sparsesr.engine.plan import PROCESS_BYTES, Box, Mode, Tile, cut_tiles
from sparsesr.engine.tiles import average_attention, run_tiled
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, InputError, LimitError, ResultError
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.session import Session
from support.tiny_models import photo, tiny


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(tiny(), threads=1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(), (3,), (4,)])
def test_arrays_come_back_as_the_same_kind(upscaler, dtype, shape):
    image = photo(13, 18, dtype, channels=shape[0] if shape else 1)
    image = image if shape else image[..., 0]
    result = upscaler(image)
    assert result.image.dtype == image.dtype
    assert result.image.shape == (26, 36, *shape)
    assert [mask.shape for mask in result.masks] == [(13, 18)] * 2
    assert 0 <= result.stats.macs_saved_fraction < 1


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "CMYK", "I;16"])
def test_pil_images_come_back_as_pil_images(upscaler, mode):
    if mode == "I;16":
        image = Image.fromarray(photo(9, 12, "uint16", 1)[..., 0])
    else:
        image = Image.fromarray(photo(9, 12)).convert(mode)
    image.info["comment"] = b"kept"
    result = upscaler(image).image
    assert isinstance(result, Image.Image)
    assert result.size == (24, 18)
    assert result.info["comment"] == b"kept"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "shape"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.full((4, 4, 3), np.nan, np.float32), "NaN"),
        (np.full((4, 4, 3), 200, np.float32), "in 0 to 1"),
        ([1, 2], "list"),
        ("photo.jpg", "a path to sparsesr.upscale"),
    ],
)
def test_unsupported_inputs_are_refused(upscaler, image, message):
    with pytest.raises(InputError, match=message):
        upscaler(image)


def test_a_model_of_another_scale_runs_twice():
    assert Upscaler(tiny(), scale=3)(photo(8, 10)).image.shape == (24, 30, 3)


def test_transparent_pixels_do_not_darken_the_edge(upscaler):
    image = np.full((16, 16, 4), 200, np.uint8)
    image[:, 8:] = 0
    image[:, :8, 3] = 255
    result = upscaler(image).image
    assert result[:, :16, :3].min() > 150


def _limit_for_tiles(upscaler: Upscaler, image: np.ndarray) -> int:
    whole = upscaler.network.session.peak_bytes(*image.shape[:2], image.dtype, image.dtype, True)
    return PROCESS_BYTES + int(0.75 * whole)


def _attentive() -> ModelFile:
    """A model whose attention depends on the brightness of the image."""
    model = tiny(detail=0.2)
    vectors = {name: np.abs(tensor) for name, tensor in model.tensors.items() if ".ca.w" in name}
    return replace(model, tensors={**model.tensors, **vectors})


def _half_dark(height: int, width: int) -> np.ndarray:
    image = photo(height, width)
    image[: height // 2] //= 4
    return image


def _largest_deviation(network: Network, square: np.ndarray, tiles: Sequence[Tile]) -> int:
    """Largest deviation, in levels, from the whole square of tiles that share their mean attention; for scale 2."""

    def run(box: Box, **fixed):
        window = np.ascontiguousarray(square[box.top : box.bottom, box.left : box.right])
        return network.session.run(window, **fixed)

    areas = [tile.core.area for tile in tiles]
    each = [run(tile.window).attention for tile in tiles]
    mean = {name: np.average([one[name] for one in each], 0, areas) for name in each[0]}
    whole, largest = network.session.run(square).image.astype(int), 0
    for tile in tiles:
        core, top, left = tile.core, tile.core.top - tile.window.top, tile.core.left - tile.window.left
        image = run(tile.window, attention=mean).image
        part = image[2 * top :, 2 * left :][: 2 * core.height, : 2 * core.width].astype(int)
        expected = whole[2 * core.top : 2 * core.bottom, 2 * core.left : 2 * core.right]
        largest = max(largest, int(np.abs(part - expected).max()))
    return largest


def test_tiles_are_close_to_the_whole_image_and_report_the_deviation():
    model, image = _attentive(), _half_dark(90, 140)
    whole = Upscaler(model, threads=1)
    tiled = Upscaler(model, threads=1, memory=_limit_for_tiles(whole, image))
    expected, result = whole(image), tiled(image)
    assert result.plan.mode is Mode.TILES and len(result.plan.tiles) > 1
    assert result.deviation is not None
    side, first = result.deviation.probe_px, result.plan.tiles[0].core
    assert f"{side}x{side}" in result.notes[0]
    difference = np.abs(result.image.astype(int) - expected.image.astype(int)).max()
    assert 0 < difference <= 4
    top, left, core = (90 - side) // 2, (140 - side) // 2, min(side // 2, first.height, first.width)
    tiles = cut_tiles(side, side, core, core, whole.network.halo_px, whole.network.multiple)
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    assert result.deviation.max_levels == _largest_deviation(whole.network, square, tiles) > 0
    assert [mask.shape for mask in result.masks] == [(90, 140)] * 2


def test_tiles_with_the_attention_of_the_whole_image_are_exact():
    image = photo(75, 90)
    network = Upscaler(tiny(detail=0.2), threads=1).network
    whole = network.session.run(image)
    tiles = cut_tiles(75, 90, 40, 50, network.halo_px, network.multiple)

    def run(window, attention):
        return network.session.run(window, attention=whole.attention)

    tiled = run_tiled(image, tiles, 2, run, has_attention=False)
    assert np.array_equal(tiled.image, whole.image)


def test_too_little_memory_is_refused_before_any_work():
    with pytest.raises(LimitError, match="needs at least"):
        Upscaler(tiny(), memory=PROCESS_BYTES + 1000)(photo(64, 64))


def test_attention_is_averaged_by_area():
    averaged = average_attention([{"a": np.float32([0.0])}, {"a": np.float32([1.0])}], [3, 1])
    assert averaged["a"] == pytest.approx([0.25])


def test_upscaling_can_be_cancelled(upscaler):
    with pytest.raises(CancelledError):
        upscaler(photo(32, 32), cancelled=lambda: True)


def test_broken_results_are_never_reported_as_success():
    model = tiny()
    tensors = dict(model.tensors)
    tensors["head.0.weight"] = tensors["head.0.weight"] * np.float32(1e30)
    tensors["head.2.weight"] = tensors["head.2.weight"] * np.float32(1e30)
    with pytest.raises(ResultError):
        Upscaler(replace(model, tensors=tensors))(photo(16, 16))


@pytest.fixture
def vector_kernels_broken(monkeypatch):
    """Make all kernels except the scalar ones return black images. Yields the kernels used."""
    used = []
    run = Session.run

    def faulty(self, *args, **kwargs):
        result = run(self, *args, **kwargs)
        used.append(_native.kernel_table()["conv"])
        return result if "scalar" in used[-1] else replace(result, image=np.zeros_like(result.image))

    monkeypatch.setattr(Session, "run", faulty)
    before = _native.set_cpu(None)
    yield used
    _native.set_cpu(before)


@pytest.mark.skipif(_native.cpu_features() == ["scalar"], reason="there are only scalar kernels")
@pytest.mark.parametrize("is_tiled", [False, True])
def test_a_broken_result_is_computed_again_with_the_scalar_kernels(vector_kernels_broken, is_tiled):
    image = photo(90, 140)
    plain = Upscaler(tiny(), threads=1)
    upscaler = Upscaler(tiny(), threads=1, memory=_limit_for_tiles(plain, image)) if is_tiled else plain
    result = upscaler(image)
    assert "scalar" not in vector_kernels_broken[0] and "scalar" in vector_kernels_broken[-1]
    assert "the scalar kernels gave a plausible result" in result.notes[0]
    assert _native.set_cpu(None) is None, "the fast kernels are selected again"
    _native.set_cpu("scalar")
    expected = Upscaler(tiny(), threads=1, memory=upscaler.memory)(image)
    np.testing.assert_array_equal(result.image, expected.image)
    assert expected.notes == result.notes[1:]


@needs_bf16
def test_the_retry_is_not_in_bf16(vector_kernels_broken, monkeypatch):
    precisions = []
    faulty = Session.run

    def noting(self, image, **options):
        precisions.append(self.precision)
        return faulty(self, image, **options)

    monkeypatch.setattr(Session, "run", noting)
    Upscaler(tiny(), threads=1, precision="bf16")(photo(20, 30))
    assert precisions == ["bf16", "bf16", "fp32"], "the second opinion is in the precision of the result"


def test_a_result_that_stays_broken_is_computed_twice_and_refused(monkeypatch):
    """The fast kernels, a second opinion with a flat colour, and the same again with the scalar kernels."""
    runs = []

    def black(self, image, **options):
        runs.append(_native.kernel_table()["conv"])
        return replace(run(self, image, **options), image=np.zeros((32, 32, 3), np.uint8))

    run = Session.run
    monkeypatch.setattr(Session, "run", black)
    with pytest.raises(ResultError, match="mean colour"):
        Upscaler(tiny())(photo(16, 16))
    assert len(runs) == 6 and all("scalar" in kernel for kernel in runs[1:])


def _held(upscaler: Upscaler, height: int, width: int) -> int:
    """Peak memory for an image of this size."""
    return upscaler.plan(photo(height, width)).peak_bytes


def test_buffers_are_kept_for_the_next_image_within_the_memory():
    roomy = Upscaler(tiny(), threads=1)
    roomy(photo(40, 60))
    roomy(photo(60, 80))
    tight = Upscaler(tiny(), threads=1, memory=_held(roomy, 60, 80))
    tight(photo(40, 60))
    small = tight.idle_bytes
    tight(photo(60, 80))
    assert 0 < small < tight.idle_bytes < roomy.idle_bytes
    tight.release_buffers()
    assert tight.idle_bytes == 0


def test_only_small_buffers_of_other_sizes_are_kept(monkeypatch):
    monkeypatch.setattr(plan_module, "KEPT_BYTES", 1)
    one, several = Upscaler(tiny(), threads=1), Upscaler(tiny(), threads=1)
    one(photo(60, 80))
    for size in ((40, 60), (50, 70), (60, 80)):
        several(photo(*size))
    assert several.idle_bytes == one.idle_bytes > 0


def test_tiles_leave_no_buffers_behind():
    need = _held(Upscaler(tiny(), threads=1), 200, 300)
    tiled = Upscaler(tiny(), threads=1, memory=(need + PROCESS_BYTES) // 2)
    tiled(photo(20, 30))
    assert tiled.idle_bytes > 0
    assert tiled(photo(200, 300)).plan.mode is Mode.TILES
    assert tiled.idle_bytes == 0


@pytest.mark.parametrize("name", ["smsr_s_x2", "smsr_x3", "smsr_x4"])
def test_small_noise_images_are_upscaled(name):
    upscaler, generator = Upscaler(name, threads=1), np.random.default_rng(5)
    for side in (1, 2, 3, 4, 6, 8, 12):
        for _ in range(5):
            image = generator.integers(0, 2, (side, side, 3), dtype=np.uint8) * np.uint8(255)
            assert upscaler(image).image.shape == (side * upscaler.scale, side * upscaler.scale, 3)


def test_an_upscaler_is_pickled_as_its_arguments():
    image = photo(20, 30)
    settings = {"threads": 1, "memory": 10**9, "inference": "whole", "precision": "fp32"}
    original = Upscaler("smsr_s_x2", **settings)
    pickled = pickle.dumps(original)
    assert len(pickled) < 1000, "the name of the model, not its weights"
    again = pickle.loads(pickled)  # noqa: S301
    assert (again.memory, again.inference, again.network.session.threads) == (10**9, "whole", 1)
    np.testing.assert_array_equal(again(image).image, original(image).image)
    own = pickle.loads(pickle.dumps(Upscaler(tiny(), threads=1)))  # noqa: S301
    np.testing.assert_array_equal(own(image).image, Upscaler(tiny(), threads=1)(image).image)


def test_numbers_of_other_libraries_are_reported_as_plain_ones():
    image = photo(12, 16)
    assert type(Upscaler(tiny(), threads=1)(image, effort=np.float32(0.25)).effort) is float
    target = Upscaler(tiny(), threads=1)(image, target_ms=np.int64(5)).target
    assert json.dumps(asdict(target))
