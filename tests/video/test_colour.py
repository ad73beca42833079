"""YUV and RGB against the formulas of ITU-T H.273 in double precision, and against swscale."""

from __future__ import annotations

import itertools

import av
import numpy as np
import pytest

from sparsesr.engine.plan import Box
from sparsesr.video.colour import BT601, BT709, BT2020, Converted, YuvForm, empty_planes, to_rgb, write_planes

WEIGHTS = {"601": BT601, "709": BT709, "2020": BT2020}
FORMS = [
    pytest.param(
        YuvForm(bits, WEIGHTS[matrix], full, halvings),
        id=f"{matrix}-{'full' if full else 'limited'}-{bits}-{halvings[0]}{halvings[1]}",
    )
    for matrix, full, bits, halvings in itertools.product(
        WEIGHTS, (False, True), (8, 10), ((1, 1), (0, 1), (0, 0))
    )
]
COLOURS = np.array(list(itertools.product((0, 0.25, 0.6, 1), repeat=3)))
BAR = 12


def bars() -> np.ndarray:
    """64 colours side by side, as 0..1 (32, 768, 3)."""
    return np.broadcast_to(COLOURS.repeat(BAR, axis=0), (32, BAR * len(COLOURS), 3))


def levels_of(rgb: np.ndarray, matrix: str, full: bool, bits: int) -> list[np.ndarray]:
    """Equations 20 to 44 of H.273 as they stand there, for non-constant luminance, not rounded."""
    red, blue = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}[matrix]
    r, g, b = (rgb[..., index].astype(np.float64) for index in range(3))
    y = red * r + (1 - red - blue) * g + blue * b
    pb, pr = 0.5 * (b - y) / (1 - blue), 0.5 * (r - y) / (1 - red)
    if full:
        return [(2**bits - 1) * y, *((2**bits - 1) * c + 2 ** (bits - 1) for c in (pb, pr))]
    return [2 ** (bits - 8) * (219 * y + 16), *(2 ** (bits - 8) * (224 * c + 128) for c in (pb, pr))]


def planes_of(form: YuvForm, rgb16: np.ndarray, box: Box | None = None):
    height, width = rgb16.shape[:2]
    planes = empty_planes(form, height, width)
    write_planes(form, rgb16, planes, box or Box(0, 0, height, width))
    return planes


@pytest.mark.parametrize("form", FORMS)
def test_colour_bars_have_the_levels_of_the_standard(form):
    matrix = next(name for name, weights in WEIGHTS.items() if weights == form.luma_weights)
    planes = planes_of(form, np.rint(bars() * 65535).astype(np.uint16))
    across = form.halvings[1]
    centres = np.arange(BAR // 2, bars().shape[1], BAR)
    for index, expected in enumerate(levels_of(bars(), matrix, form.is_full, form.bits)):
        columns = centres >> (across if index else 0)
        limit = np.clip(expected[8, centres], 0, 2**form.bits - 1)
        assert np.abs(planes[index][4, columns] - limit).max() <= 0.51


@pytest.mark.parametrize("form", FORMS)
def test_colour_bars_come_back(form):
    rgb = np.rint(bars() * 65535).astype(np.uint16)
    back = to_rgb(form, planes_of(form, rgb))
    centres = np.arange(BAR // 2, rgb.shape[1], BAR)
    error = np.abs(back[8, centres].astype(float) - rgb[8, centres]) / 65535
    # Half a level of each of the three planes, times the largest coefficients of the inverse matrix (about 1 + 1.9).
    assert error.max() <= 1.6 / (2**form.bits - 1) * (1 if form.is_full else 255 / 219)


@pytest.mark.parametrize("form", FORMS)
def test_planes_survive_the_way_through_rgb(form):
    """Colours inside RGB come back with the levels that they had."""
    rng = np.random.default_rng(0)
    flat = rng.uniform(0.2, 0.8, (1, 40, 3)).repeat(BAR, axis=1).repeat(16, axis=0)
    planes = planes_of(form, np.rint(flat * 65535).astype(np.uint16))
    again = planes_of(form, to_rgb(form, planes))
    centres = np.arange(BAR // 2, flat.shape[1], BAR)
    for index, (first, second) in enumerate(zip(planes, again, strict=True)):
        columns = centres >> (form.halvings[1] if index else 0)
        np.testing.assert_array_equal(first[:, columns], second[:, columns])


@pytest.mark.parametrize("fmt", ["yuv420p", "yuv422p", "yuv444p"])
def test_photographs_agree_with_swscale(fmt):
    """An independent converter: swscale, within its own errors."""
    from skimage import data

    rgb = np.ascontiguousarray(data.astronaut()[:200, :300])
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
    theirs = frame.reformat(
        format=fmt, dst_colorspace="itu709", dst_color_range="MPEG", src_color_range="JPEG"
    )
    halvings = {"yuv420p": (1, 1), "yuv422p": (0, 1), "yuv444p": (0, 0)}[fmt]
    ours = planes_of(YuvForm(8, BT709, False, halvings), rgb.astype(np.uint16) * 257)
    for index, plane in enumerate(theirs.planes):
        samples = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
        difference = np.abs(samples.astype(int) - ours[index])
        assert difference.max() <= 2 if index == 0 else difference.mean() < 1.5


@pytest.mark.parametrize("form", FORMS[::5])
@pytest.mark.parametrize(
    "box", [Box(0, 0, 3, 5), Box(5, 7, 30, 31), Box(10, 10, 11, 11), Box(30, 20, 47, 53)]
)
def test_a_part_is_converted_as_in_the_whole(form, box):
    rng = np.random.default_rng(1)
    old = rng.integers(0, 65536, (47, 53, 3)).astype(np.uint16)
    new = old.copy()
    new[box.top : box.bottom, box.left : box.right] = rng.integers(
        0, 65536, (box.bottom - box.top, box.right - box.left, 3)
    )
    planes = planes_of(form, old)
    write_planes(form, new, planes, box)
    for part, whole in zip(planes, planes_of(form, new), strict=True):
        np.testing.assert_array_equal(part, whole)


def test_chroma_lies_at_the_left_pixel():
    """A ramp of colour: chroma of 4:2:0 is that of the left column and between the two rows."""
    form = YuvForm(10, BT709, True, (1, 1))
    ramp = np.linspace(20000, 40000, 64).astype(np.uint16)
    rgb = np.stack([np.broadcast_to(ramp, (32, 64)), np.full((32, 64), 30000), np.full((32, 64), 30000)], -1)
    full = planes_of(YuvForm(10, BT709, True, (0, 0)), rgb.astype(np.uint16))
    half = planes_of(form, rgb.astype(np.uint16))
    assert np.abs(half[2][5, 1:-1].astype(int) - full[2][10, 2:-2:2]).max() <= 1
    assert np.abs(to_rgb(form, half)[10, 4:-4, 0].astype(int) - ramp[4:-4]).max() <= 120


def test_grey_has_one_plane():
    form = YuvForm(8, BT601, True, is_grey=True)
    picture = np.arange(0, 256, dtype=np.uint8).reshape(16, 16)
    rgb = to_rgb(form, [picture])
    np.testing.assert_array_equal(rgb, (picture[..., None].astype(np.uint16) * 257).repeat(3, axis=2))
    (again,) = planes_of(form, rgb)
    np.testing.assert_array_equal(again, picture)


@pytest.mark.parametrize("halvings", [(1, 1), (0, 1), (0, 0)])
def test_rows_as_in_the_picture_before_are_copied(halvings):
    """A changed sample of chroma changes neighbouring rows too, across the edges of what is converted at a time."""
    form = YuvForm(8, BT709, False, halvings)
    rng = np.random.default_rng(0)
    size = 130, 40
    luma, *chroma = (
        rng.integers(16, 236, shape, dtype=np.uint8) for shape in (size, *[form.chroma_size(*size)] * 2)
    )
    before = Converted((luma, *chroma), to_rgb(form, (luma, *chroma)))
    for plane in range(3):
        for row in range(0, (luma, *chroma)[plane].shape[0], 5):
            planes = [each.copy() for each in before.planes]
            planes[plane][row, 7] ^= 16
            np.testing.assert_array_equal(to_rgb(form, planes, before), to_rgb(form, planes))
