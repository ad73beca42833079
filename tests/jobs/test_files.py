from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.plan import PROCESS_BYTES
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import InputError, LimitError, UsageError
from sparsesr.image import destination
from sparsesr.image.decode import decode
from sparsesr.jobs.destinations import default_output
from sparsesr.jobs.files import WriteOptions, upscale_file
from sparsesr.jobs.record import record_of
from sparsesr.limits import ImageLimits
from support.tiny_models import photo, tiny


def save(path: Path, height: int = 20, width: int = 30, **options) -> Path:
    Image.fromarray(photo(height, width)).save(path, **options)
    return path


def test_kept_buffers_are_released_for_a_large_file(tmp_path):
    # Wide, so that input and result outweigh the rolling buffers of the network.
    source = save(tmp_path / "large.png", 900, 1200)
    upscaler = Upscaler(tiny(), threads=1, memory=PROCESS_BYTES + 15 * 900 * 1200 + 1000)
    upscaler(photo(40, 60))
    assert upscaler.idle_bytes > 1000
    with pytest.raises(LimitError, match="needs at least"):  # from the plan: the decoder had the whole memory
        upscale_file(upscaler, source, None, RunOptions(), WriteOptions())
    assert upscaler.idle_bytes == 0


def test_an_image_too_large_to_decode_in_the_memory_is_refused_with_a_remedy(tmp_path):
    upscaler = Upscaler(tiny(), threads=1, memory=PROCESS_BYTES + 1000)
    with pytest.raises(LimitError) as caught:
        upscale_file(upscaler, save(tmp_path / "a.png"), None, RunOptions(), WriteOptions())
    assert caught.value.where == str(tmp_path / "a.png")
    assert caught.value.asks_for("memory") and not caught.value.asks_for("max_pixels")
    assert "needs at least 91 MB of memory, but the limit is 90 MB" in str(caught.value)
    data = (tmp_path / "a.png").read_bytes()
    with pytest.raises(LimitError, match="of 0, which is what 90 MB of memory leave"):
        upscale_file(upscaler, data, None, RunOptions(), WriteOptions())


@pytest.mark.parametrize(
    ("spare", "remedy"), [(1000, "; shrink it, or allow more with memory"), (0, "; allow more with memory")]
)
def test_the_remedy_for_too_little_memory_holds_for_the_default_limit_too(
    tmp_path, monkeypatch, spare, remedy
):
    """And nobody is told to shrink an image if none is small enough."""
    monkeypatch.setattr("sparsesr.engine.upscaler.default_memory_bytes", lambda: PROCESS_BYTES + spare)
    with pytest.raises(LimitError, match="the limit is 90 MB") as caught:
        upscale_file(
            Upscaler(tiny(), threads=1), save(tmp_path / "a.png"), None, RunOptions(), WriteOptions()
        )
    assert str(caught.value).endswith(remedy)


@pytest.mark.parametrize(("model", "effort"), [("acnet_noise_x2", None), ("skim_fast_x2", 0.1)])
def test_an_effort_is_reported_if_it_had_a_meaning(tmp_path, model, effort):
    upscaler, source = Upscaler(model, threads=1), save(tmp_path / "a.png")
    done = upscale_file(upscaler, source, None, RunOptions(0.1), WriteOptions())
    assert record_of(done, "a.png", "b.png")["effort"] == effort
    note = "the effort changed nothing: acnet_noise_x2 computes every pixel"
    assert (note in done.upscaled.notes) == (effort is None)
    assert not upscale_file(upscaler, source, None, RunOptions(), WriteOptions()).upscaled.notes


def test_a_destination_is_checked_once_and_before_the_input_is_decoded(tmp_path, monkeypatch):
    checks, check = [], destination.check_path

    def counted(path, overwrite):
        checks.append(path)
        check(path, overwrite)

    monkeypatch.setattr(destination, "check_path", counted)
    upscaler, source, target = Upscaler(tiny(), threads=1), save(tmp_path / "a.png"), tmp_path / "b.png"
    upscale_file(upscaler, source, target, RunOptions(), WriteOptions())
    assert checks == [target]
    (tmp_path / "rubbish.png").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"b\.png: exists"):
        upscale_file(upscaler, tmp_path / "rubbish.png", target, RunOptions(), WriteOptions())


def test_a_missing_input_is_reported_before_anything_that_follows_from_it(tmp_path):
    upscaler, source = Upscaler(tiny(), threads=1), tmp_path / "none" / "missing.png"
    with pytest.raises(InputError, match=r"missing\.png: no such file"):
        upscale_file(upscaler, source, default_output(source, "x2"), RunOptions(), WriteOptions())


def test_bytes_are_returned_in_their_own_format(tmp_path):
    upscaler = Upscaler(tiny(), threads=1)
    data = save(tmp_path / "a.webp", lossless=True).read_bytes()
    done = upscale_file(upscaler, data, None, RunOptions(keep_masks=True), WriteOptions())
    image = decode(done.upscaled.image)
    assert (image.source_format, done.size) == ("webp", (20, 30))
    assert [mask.shape for mask in done.upscaled.masks] == [(20, 30)] * 2
    assert done.upscaled.run.image.size == 0, "the pixels are in the file only"
    with pytest.raises(InputError, match="letter: is not an image"):
        upscale_file(upscaler, b"rubbish", None, RunOptions(), WriteOptions(), "letter")


@pytest.mark.parametrize("writing", [{"quality": 0}, {"depth": 9}, {"format": "bmp"}])
def test_invalid_write_options_are_refused_immediately(writing):
    with pytest.raises(UsageError):
        WriteOptions(**writing)


def test_files_that_share_an_upscaler_wait_for_its_memory(tmp_path):
    """Memory for one at a time; the sizes differ, so that kept buffers must be released too."""
    sources = [save(tmp_path / f"{number}.png", 60 + 8 * number, 80) for number in range(6)]
    alone = Upscaler(tiny(), threads=1)
    largest = alone.plan(photo(100, 80), encoder_bytes=16_000_000 + 4 * 200 * 160).peak_bytes
    upscaler = Upscaler(tiny(), threads=1, memory=largest)

    def job(source: Path) -> np.ndarray:
        return decode(upscale_file(upscaler, source, None, RunOptions(), WriteOptions()).upscaled.image).rgb

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(job, sources))
    for source, result in zip(sources, results, strict=True):
        np.testing.assert_array_equal(result, alone(decode(source).rgb).image)
    assert upscaler.budget.reserved_bytes == 0


def test_a_caller_sees_both_images_before_the_result_is_encoded(tmp_path):
    seen = []
    source = save(tmp_path / "a.png")
    done = upscale_file(
        Upscaler(tiny(), threads=1),
        source,
        None,
        RunOptions(),
        WriteOptions(),
        seen=lambda before, after: seen.append((before.rgb, after.rgb)),
    )
    before, after = seen[0]
    np.testing.assert_array_equal(before, photo(20, 30))
    np.testing.assert_array_equal(after, decode(done.upscaled.image).rgb)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (ImageLimits(max_pixels=599), "over the limit of 0; shrink it or cut it into parts"),
        (ImageLimits(max_result_pixels=2_399), "the result would have 0 megapixels"),
    ],
)
def test_callers_can_set_lower_limits(tmp_path, limits, words):
    upscaler, source = Upscaler(tiny(), threads=1), save(tmp_path / "a.png")
    with pytest.raises(LimitError, match=words):
        upscale_file(upscaler, source, None, RunOptions(), WriteOptions(), limits=limits)
    upscale_file(
        upscaler, source, None, RunOptions(), WriteOptions(), limits=ImageLimits(600, max_result_pixels=2_400)
    )
