"""``Survey``: looks at the files of a batch before they are upscaled, so that a budget can be divided among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from sparsesr.engine.arrays import without_holes
from sparsesr.engine.execute import Network
from sparsesr.engine.first_rates import measure_first_rates
from sparsesr.engine.forecast import Forecast, Forecaster
from sparsesr.engine.level_costs import LevelCosts, MacCosts, TimeCosts
from sparsesr.engine.route import refuse_several_networks
from sparsesr.engine.upscaler import Upscaler
from sparsesr.image.header import stated_pixels
from sparsesr.jobs.files import decoded
from sparsesr.jobs.journal import State, state_of
from sparsesr.limits import ImageLimits


class Survey:
    """Forecasts of files. The first file also gives a first measure of the speed."""

    def __init__(self, upscaler: Upscaler, unit: str) -> None:
        """``unit``: ``s`` or ``macs``; UsageError if the model cannot be run with a budget."""
        self._upscaler = upscaler
        self._unit = unit
        self._forecasters: dict[str, Forecaster] = {}
        self._seen: dict[Path, State] = {}
        self._stated: dict[Path, int | None] = {}
        self._costs: LevelCosts | None = MacCosts() if unit == "macs" else None
        self._forecaster(upscaler.network)

    @property
    def costs(self) -> LevelCosts:
        """Costs of levels; there are some once a file could be read."""
        if self._costs is None:
            raise RuntimeError("no file was read yet")
        return self._costs

    def has_changed(self, source: Path) -> bool:
        """True if a file is no longer as it was when it was looked at."""
        return self._seen.get(source) != state_of(source)

    def output_px(self, source: Path) -> float | None:
        """Pixels of the result of a file, by what its header states; None if it does not."""
        if source not in self._stated:
            self._stated[source] = stated_pixels(source)
        stated = self._stated[source]
        return None if stated is None else stated * self._upscaler.scale**2

    def forecast(self, source: Path) -> Forecast:
        """Read a file and look at its pixels.

        Raises:
            InputError, LimitError: as when it is upscaled.
            UsageError: its size takes several networks.
        """
        self._seen[source] = state_of(source)
        image = decoded(self._upscaler, source, None, None, ImageLimits())
        upscaler = self._upscaler.for_jpeg(image.jpeg_quality)
        route = upscaler.planned_route(image.rgb, has_alpha=image.alpha is not None)
        refuse_several_networks(route, "budget", "budget")
        network, plan = upscaler.network_for(route.scales[0]), route.plans[0]
        pixels = without_holes(image.rgb, image.alpha)
        forecast = self._forecaster(network)(pixels, plan, route.size[0] * route.size[1])
        if self._costs is None:
            self._costs = TimeCosts(measure_first_rates(network, pixels, plan, forecast))
        return forecast

    def _forecaster(self, network: Network) -> Forecaster:
        key = f"{network.name} x{network.scale}"
        if key not in self._forecasters:
            self._forecasters[key] = Forecaster(network)
        return self._forecasters[key]


def typical(forecasts: Sequence[Forecast]) -> Forecast:
    """The mean of some forecasts, for a file that nobody has looked at yet."""
    means = {
        each.name: np.mean([getattr(one, each.name) for one in forecasts], axis=0)
        for each in fields(Forecast)
    }
    pixels = [each.output_px for each in forecasts]
    means["densities"] = np.average([each.densities for each in forecasts], axis=0, weights=pixels)
    return Forecast(**means)


def resized(forecast: Forecast, output_px: float | None) -> Forecast:
    """The forecast of an image with pixels of the same kind, but as many; None: unchanged."""
    if output_px is None:
        return forecast
    factor = output_px / forecast.output_px
    return replace(
        forecast,
        output_px=round(output_px),
        gains=forecast.gains * factor,
        inactive_macs=forecast.inactive_macs * factor,
        dense_macs=forecast.dense_macs * factor,
    )
