"""``Survey``: looks at the files of a batch before they are upscaled, so that a budget can be divided among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
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


def typical(forecasts: Sequence[Forecast], output_px: float | None = None) -> Forecast:
    """What the pixels of some forecasts are on average, for a file that nobody has looked at yet.

    ``output_px``: pixels of its result; None: as many as the others have on average.
    """
    total_px = sum(each.output_px for each in forecasts)
    wanted_px = total_px / len(forecasts) if output_px is None else output_px
    totals = {
        each.name: np.sum([getattr(one, each.name) for one in forecasts], axis=0) for each in fields(Forecast)
    }
    totals["densities"] = np.sum([one.densities * one.output_px for one in forecasts], axis=0)
    means = {name: total * (wanted_px / total_px) for name, total in totals.items()}
    return Forecast(**means | {"densities": totals["densities"] / total_px})
