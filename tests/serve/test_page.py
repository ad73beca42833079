"""The page in a real browser."""

from __future__ import annotations

import base64
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from sparsesr.cli.main import main
from sparsesr.limits import GIBIBYTE, MEBIBYTE
from support.browser import Browser, browser
from support.sites import LIMITS, encoded, pixels, site_with

pytestmark = pytest.mark.browser
HEIGHT, WIDTH = 160, 240


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("downloads")) as running:
        running.resize(1400, 900)
        yield running


@pytest.fixture
def page(chromium, site) -> Iterator[Browser]:
    """An empty page; at the end, it must not have complained or asked anybody else."""
    chromium.driver.get(f"http://127.0.0.1:{site.port}/")
    chromium.wait(lambda: chromium.run("return document.documentElement.dataset.ready === 'true'"))
    chromium.requested(), chromium.complaints()
    yield chromium
    own = f"http://127.0.0.1:{site.port}/"
    assert [url for url in chromium.requested() if not url.startswith((own, "blob:"))] == []
    assert chromium.complaints() == []


@pytest.fixture
def photos(tmp_path):
    """Two images on the disk, and what the command line makes of them with the tiny model."""
    made = {}
    for name, format in (("first.png", "PNG"), ("second.jpg", "JPEG")):
        path = tmp_path / name
        path.write_bytes(encoded(HEIGHT, WIDTH, format, seed=len(made)))
        assert main(["upscale", str(path), "-n", "tiny", "-j1", "-q"]) == 0
        made[path] = (tmp_path / f"{path.stem}_x2{path.suffix}").read_bytes()
    return made


def choose(page: Browser, paths) -> None:
    """Add files and the tiny model."""
    page.find("#files").send_keys("\n".join(map(str, paths)))
    page.wait(lambda: page.count(".card[data-state=ready]") == len(paths))
    page.run(
        "const m = document.getElementById('model'); m.value = 'tiny'; m.dispatchEvent(new Event('change'))"
    )


def enlarge(page: Browser, count: int) -> None:
    page.wait(lambda: not page.find("#go").get_property("disabled"))
    page.click("#go")
    page.wait(lambda: page.count(".card[data-state=done]") == count)
    page.wait(lambda: page.find("#after-tag").text == "After")


def settled(page: Browser) -> np.ndarray:
    """The pixels of the canvas, once all tiles are there."""
    page.run("document.getElementById('canvas').dataset.loading = ''; dispatchEvent(new Event('resize'))")
    page.wait(lambda: page.run("return document.getElementById('canvas').dataset.loading !== '1'"))
    page.wait(
        lambda: page.run("return performance.getEntriesByType('resource').every((e) => e.responseEnd > 0)")
    )
    picture = page.run(
        """return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
        done(document.getElementById('canvas').toDataURL('image/png')))))"""
    )
    return pixels(base64.b64decode(picture.partition(",")[2]))


def drawn_part(canvas: np.ndarray) -> np.ndarray:
    """The colours of what has been drawn on the transparent canvas."""
    rows, columns = (np.flatnonzero((canvas[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, :3]


def test_download_is_the_result_of_the_command_line_bit_for_bit(page, photos):
    choose(page, photos)
    assert page.find("#go").text == "Enlarge 2 images"
    enlarge(page, 2)
    for place, (path, expected) in enumerate(photos.items(), 1):
        page.click(f".card:nth-child({place}) .pick")
        page.wait(lambda name=path.stem: name in page.find("#download").get_attribute("download"))
        page.click("#download")
        assert page.downloaded(f"{path.stem}_x2{path.suffix}") == expected
    page.click("#all")
    with zipfile.ZipFile(io.BytesIO(page.downloaded("upscaled.zip"))) as archive:
        assert [archive.read(name) for name in archive.namelist()] == list(photos.values())


def test_the_line_parts_before_and_after(page, photos):
    """At 1:1, the right half of the canvas shows pixels of the result, exactly."""
    source, result = next(iter(photos.items()))
    choose(page, [source])
    enlarge(page, 1)
    page.click("#one")
    page.wait(lambda: page.find("#zoom").text == "100 %")
    expected = pixels(result)
    page.wait(lambda: np.array_equal(drawn_part(settled(page))[:, WIDTH:], expected[:, WIDTH:]))
    part = drawn_part(settled(page))
    assert (part[:, :WIDTH] != expected[:, :WIDTH]).any()
    divider = page.find("#divider")
    divider.send_keys("\ue011")  # Home
    assert divider.get_attribute("aria-valuenow") == "0"
    page.wait(lambda: np.array_equal(drawn_part(settled(page)), expected))


def test_the_line_is_moved_by_mouse_and_keys(page, photos):
    from selenium.webdriver import ActionChains

    choose(page, list(photos)[:1])
    divider = page.find("#divider")
    place = page.find("#viewer").size["width"] // 4
    ActionChains(page.driver).click_and_hold(divider).move_by_offset(-place, 0).release().perform()
    assert divider.get_attribute("aria-valuenow") == "25"
    divider.send_keys("\ue014\ue014")  # arrow right
    assert divider.get_attribute("aria-valuenow") == "29"


def test_the_mask_is_shown_and_told(page, photos):
    choose(page, list(photos)[:1])
    enlarge(page, 1)
    before = settled(page)
    page.find("#canvas").send_keys("m")
    page.wait(lambda: page.find("#mask").get_attribute("aria-pressed") == "true")
    page.wait(lambda: (settled(page) != before).any())
    page.wait(lambda: "Without skipping" in page.find("#facts-list").text)
    assert "% \nof the computation skipped" in page.find("#facts-list").text.replace("%\n", "% \n")


def test_effort_is_previewed_with_the_least_first(page, photos):
    """At first; where something better is shown already, only the chosen effort is asked for."""
    asked: list[str | None] = []

    def has_asked_for(effort: str | None) -> bool:
        previews = (urlsplit(url) for url in page.requested() if "/preview?" in url)
        asked.extend(parse_qs(each.query).get("effort", [None])[0] for each in previews)
        return effort in asked

    page.find("#files").send_keys(str(next(iter(photos))))
    page.wait(lambda: has_asked_for(None))
    assert asked == ["0", None]
    page.wait(lambda: page.find("#after-tag").text == "Preview")
    asked.clear()
    page.run("const e = document.getElementById('effort'); e.value = 90; e.dispatchEvent(new Event('input'))")
    page.wait(lambda: has_asked_for("0.9"))
    assert asked == ["0.9"] and page.find("#effort-value").text == "90 %"


def test_progress_is_shown_and_a_job_can_be_cancelled(page, tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(encoded(700, 1000))
    choose(page, [path])
    page.click("#go")
    page.wait(lambda: page.count(".card[data-state=running]") + page.count(".card[data-state=waiting]") == 1)
    assert page.find(".card progress").is_displayed()
    assert page.find(".card .remove").accessible_name == "Cancel large.png"
    page.click(".card .remove")
    page.wait(lambda: page.count(".card[data-state=ready]") == 1)
    page.click(".card .remove")
    page.wait(lambda: page.count(".card") == 0)
    assert page.find("#drop").is_displayed()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_images_can_be_dropped_and_pasted(page, way):
    page.run(
        """const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "gift.png", { type: "image/png" }));
        dispatchEvent(arguments[1] === "drop"
          ? new DragEvent("drop", { dataTransfer: data, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: data }));""",
        base64.b64encode(encoded()).decode(),
        way,
    )
    page.wait(lambda: page.count(".card[data-state=ready]") == 1)
    assert page.find(".card .name").text == "gift.png"


def test_what_is_no_image_is_named(page, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    page.find("#files").send_keys(str(tmp_path / "notes.txt"))
    page.wait(lambda: page.count(".card[data-state=failed]") == 1)
    assert "notes.txt" in page.find("#toast").text and "not" in page.find(".card .about").text
    page.complaints()  # the browser logs the status 422


def test_everything_that_can_be_used_has_a_name(page, photos):
    choose(page, photos)
    enlarge(page, 2)
    usable = page.driver.find_elements("css selector", "button, a, input, select, canvas, [role=slider]")
    shown = [element for element in usable if element.is_displayed()]
    assert len(shown) > 20
    for element in shown:
        assert element.accessible_name, element.get_attribute("outerHTML")


@pytest.mark.parametrize("width", [1400, 900, 390])
def test_no_width_needs_sideways_scrolling(page, photos, width):
    page.resize(width, 900)
    try:
        choose(page, list(photos)[:1])
        page.wait(lambda: page.find("#canvas").size["width"] > 100)
        assert page.run("return document.documentElement.scrollWidth") <= width
    finally:
        page.resize(1400, 900)


def test_light_and_dark(page):
    def ground() -> str:
        return page.run("return getComputedStyle(document.body).backgroundColor")

    for scheme, other in (("light", "dark"), ("dark", "light")):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        page.wait(lambda scheme=scheme: page.run("return document.documentElement.dataset.theme") == scheme)
        before = ground()
        page.click("#theme")
        assert page.run("return document.documentElement.dataset.theme") == other and ground() != before
        page.run("localStorage.clear()")


def test_the_api_is_described_without_help_from_elsewhere(page, site):
    page.driver.get(f"http://127.0.0.1:{site.port}/docs")
    page.wait(lambda: page.count("details") > 10)
    assert "POST" in page.find("details summary").text and "/v1/upscale" in page.find("details summary").text


def test_the_token_is_asked_for(chromium, photos):
    with site_with(token="open sesame") as site:  # noqa: S106
        chromium.driver.get(f"http://127.0.0.1:{site.port}/")
        chromium.wait(lambda: chromium.find("#token-dialog").is_displayed())
        chromium.find("#token").send_keys("wrong token\n")
        chromium.wait(lambda: "not it" in chromium.find("#token-hint").text)
        chromium.find("#token").send_keys("open sesame\n")
        chromium.wait(lambda: chromium.run("return document.documentElement.dataset.ready === 'true'"))
        choose(chromium, list(photos)[:1])
        enlarge(chromium, 1)
        chromium.driver.delete_all_cookies()
        chromium.driver.get("about:blank")
        chromium.driver.get(f"http://127.0.0.1:{site.port}/#token=open%20sesame")
        chromium.wait(lambda: chromium.run("return document.documentElement.dataset.ready === 'true'"))
        assert not chromium.find("#token-dialog").is_displayed() and "#" not in chromium.driver.current_url
    chromium.requested(), chromium.complaints()


@pytest.mark.skipif("SPARSESR_LARGE" not in os.environ, reason="set SPARSESR_LARGE: takes minutes")
@pytest.mark.slow
def test_of_a_large_result_only_tiles_that_are_seen_are_loaded(chromium, tmp_path):
    height, width = 3000, 4000
    ramp = np.linspace(0, 255, width).astype(np.uint8)[None].repeat(height, axis=0)
    Image.fromarray(np.stack([ramp, ramp[:, ::-1], ramp], axis=-1)).save(tmp_path / "large.jpg", quality=80)
    large = replace(LIMITS, max_body_bytes=16 * MEBIBYTE, max_pixels=13_000_000, max_result_pixels=50_000_000)
    with site_with(large, memory=2 * GIBIBYTE) as site:
        chromium.driver.get(f"http://127.0.0.1:{site.port}/")
        chromium.wait(lambda: chromium.run("return document.documentElement.dataset.ready === 'true'"))
        choose(chromium, [tmp_path / "large.jpg"])
        chromium.click("#go")
        chromium.wait(lambda: chromium.count(".card[data-state=done]") == 1, 400)
        chromium.requested()  # forget those so far
        chromium.driver.execute_async_script(_MOVE_AND_ZOOM)
        tiles = {url for url in chromium.requested() if "/tiles/" in url}
        assert 10 < len(tiles) < 150  # of 250
    chromium.complaints()


_MOVE_AND_ZOOM = """
const done = arguments[arguments.length - 1];
const canvas = document.getElementById("canvas");
const key = (name) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key: name }));
let frames = 0;
key("1");
function frame() {
  frames += 1;
  key(frames % 40 < 20 ? "ArrowRight" : "ArrowDown");
  if (frames % 30 === 0) key(frames % 60 === 0 ? "-" : "+");
  if (frames < 120) requestAnimationFrame(frame);
  else done();
}
requestAnimationFrame(frame);
"""
