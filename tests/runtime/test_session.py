"""Sessions compared with an independent torch interpreter of the same graph."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import plain, smsr
from sparsesr.errors import UsageError
from sparsesr.runtime.session import Session

pytest.importorskip("torch")

from runtime.random_graphs import one_of_each, random_image
from runtime.torch_graph import TorchGraph

MODELS = {
    "smsr_x2": smsr(16, modules=3, layers=3, seed=3),
    "smsr_x3": smsr(8, modules=1, layers=2, scale=3, seed=4),
    "smsr_x4": smsr(24, modules=2, layers=4, scale=4, seed=5, mask_channels=4),
    "smsr_deep": smsr(8, modules=7, layers=1, seed=6, mask_channels=4),
    "plain_x3": plain(20, scale=3),
    **one_of_each(),
}
SESSIONS = {name: Session(model, threads=1) for name, model in MODELS.items()}


def check(name: str, image: np.ndarray, **options) -> None:
    reference = TorchGraph(MODELS[name], dense=options.get("dense", False))
    expected = reference(image)
    result = SESSIONS[name].run(image, keep_masks=True, **options)
    assert result.image.shape == expected.shape
    masks = [reference.values[node.output] for node in MODELS[name].graph.nodes if node.op == "spatial_mask"]
    height, width, _ = image.shape
    for mask, own in zip(masks, result.masks or [], strict=True):
        np.testing.assert_array_equal(own, mask[0, 0, :height, :width].numpy())
    np.testing.assert_allclose(result.image, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(1, 1), (1, 13), (17, 1), (2, 2), (20, 31), (33, 18)])
def test_agrees_with_torch(name, size):
    check(name, random_image(*size, seed=sum(size)))
    check(name, random_image(*size, seed=sum(size)), band_rows=3, low_memory=True)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("s")])
def test_dense_agrees_with_torch(name):
    check(name, random_image(14, 21), dense=True)
    check(name, random_image(14, 21), dense=True, low_memory=True, band_rows=1)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(MODELS)), height=st.integers(1, 20), width=st.integers(1, 20))
def test_small_sizes_agree_with_torch(name, height, width):
    check(name, random_image(height, width, seed=height * 32 + width))


def test_full_width_network_agrees_with_torch():
    model = smsr(seed=11)
    image = random_image(40, 52)
    result = Session(model).run(image)
    np.testing.assert_allclose(result.image, TorchGraph(model)(image), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integer_images_are_scaled_and_rounded(dtype):
    image = random_image(9, 11, dtype)
    highest = np.iinfo(dtype).max
    as_float = SESSIONS["smsr_x2"].run(image, out_dtype=np.float32).image
    np.testing.assert_allclose(
        as_float, TorchGraph(MODELS["smsr_x2"])(image.astype(np.float32) / highest), rtol=0, atol=1e-4
    )
    result = SESSIONS["smsr_x2"].run(image).image
    assert result.dtype == dtype
    np.testing.assert_array_equal(
        result, np.floor(np.clip(as_float.astype(np.float32), 0, 1) * np.float32(highest) + np.float32(0.5))
    )


def test_effort_is_the_bias_of_the_logits():
    image = random_image(24, 22)
    for effort, bias in ((0.0, -4.0), (0.5, 0.0), (0.6, 0.8), (1.0, 4.0)):
        reference = TorchGraph(MODELS["smsr_x3"], bias=bias)
        expected = reference(image)
        result = SESSIONS["smsr_x3"].run(image, effort=effort)
        np.testing.assert_allclose(result.image, expected, rtol=0, atol=1e-4)


def test_more_effort_means_more_pixels():
    """Holds for the first mask only; later ones see other features."""
    image = random_image(24, 22)
    masks = [
        (SESSIONS["smsr_x2"].run(image, effort=effort, keep_masks=True).masks or [])[0]
        for effort in np.linspace(0, 1, 9)
    ]
    assert all((less <= more).all() for less, more in itertools.pairwise(masks))
    assert masks[0].mean() < masks[-1].mean()


def test_attention_can_be_supplied():
    image, session = random_image(16, 20), SESSIONS["smsr_x2"]
    whole = session.run(image)
    same = session.run(image, attention=whole.attention)
    np.testing.assert_array_equal(same.image, whole.image)
    name = next(iter(whole.attention))
    other = session.run(image, attention={name: np.zeros(16)})
    assert not other.attention[name].any()
    assert not np.array_equal(other.image, whole.image)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((4, 4), np.uint8), {}, "shape"),
        (np.zeros((4, 0, 3), np.uint8), {}, "shape"),
        (np.zeros((4, 4, 3), np.float64), {}, "float64"),
        (np.zeros((4, 4, 3), np.uint8), {"out_dtype": np.int8}, "out_dtype"),
        (np.zeros((4, 4, 3), np.uint8), {"effort": 1.5}, "effort"),
        (np.zeros((4, 4, 3), np.uint8), {"effort": float("nan")}, "effort"),
        (np.zeros((4, 4, 3), np.uint8), {"effort": 0.5, "dense": True}, "effort"),
        (np.zeros((4, 4, 3), np.uint8), {"band_rows": 0}, "band_rows"),
        (np.zeros((4, 4, 3), np.uint8), {"attention": {"x": np.zeros(16)}}, "attention"),
        (np.zeros((4, 4, 3), np.uint8), {"attention": {"body.0.ca": np.zeros(3)}}, "16 values"),
    ],
)
def test_wrong_arguments(image, options, message):
    with pytest.raises(UsageError, match=message):
        SESSIONS["smsr_x2"].run(image, **options)


@pytest.mark.parametrize("threads", [-1, 0, 257])
def test_wrong_threads(threads):
    with pytest.raises(UsageError, match="threads"):
        Session(MODELS["plain"], threads=threads)
