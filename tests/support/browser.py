"""Chromium without a window, from the distribution; tests are skipped where there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_WAIT_S = 60
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
)


class Browser:
    """A page in Chromium."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def count(self, selector: str) -> int:
        return len(self.driver.find_elements("css selector", selector))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def click(self, selector: str) -> None:
        self.run("arguments[0].click()", self.find(selector))

    def wait(self, condition: Callable[[], Any], seconds: float = _WAIT_S) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds, 0.05).until(lambda _: condition())

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def downloaded(self, name: str) -> bytes:
        """The contents of a file, once it has been downloaded completely."""
        path = self.downloads / name
        self.wait(path.exists)
        return path.read_bytes()

    def requested(self) -> list[str]:
        """Addresses of all requests since the last call, in order."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        sent = (event["params"] for event in events if event["method"] == "Network.requestWillBeSent")
        return [each["request"]["url"] for each in sent]

    def complaints(self) -> list[str]:
        """Errors and warnings of the page since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def browser(downloads: Path) -> Generator[Browser, None, None]:
    """Start Chromium; skip the test if it, its driver or selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium (Debian: apt install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for each in _OPTIONS:
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    folder = {"behavior": "allow", "downloadPath": str(downloads)}
    started.execute_cdp_cmd("Browser.setDownloadBehavior", folder)
    try:
        yield Browser(started, downloads)
    finally:
        started.quit()
