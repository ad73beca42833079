"""The first look at the speed of this machine: bicubic and a network on strips of an image."""

from __future__ import annotations

import time
from typing import Any

import numpy.typing as npt

from sparsesr.engine.execute import Network, RunOptions
from sparsesr.engine.forecast import Forecast
from sparsesr.engine.level_costs import FirstRates
from sparsesr.engine.plan import Plan
from sparsesr.engine.target import measure_cost, probe_of
from sparsesr.engine.timed_run import run_at_effort
from sparsesr.image.resize import imresize

Pixels = npt.NDArray[Any]


def measure_first_rates(network: Network, pixels: Pixels, plan: Plan, forecast: Forecast) -> FirstRates:
    """Measure on strips of (H, W, 3) pixels, in the way in which the plan would upscale them.

    ``forecast``: of the image, with its multiply-adds.
    """
    area = pixels.shape[0] * pixels.shape[1]
    run, probe = run_at_effort(network, plan, RunOptions()), probe_of(pixels)
    run(probe, 1.0)  # in new memory, which later images use again
    model = measure_cost(run, pixels, plan.computed_px / area, time.perf_counter)
    start = time.perf_counter()
    enlarged = imresize(probe, network.scale)
    bicubic_ms = (time.perf_counter() - start) * 1000
    per_px = bicubic_ms / (enlarged.shape[0] * enlarged.shape[1])
    return FirstRates.of(model, forecast.inactive_macs, forecast.dense_macs, per_px)
