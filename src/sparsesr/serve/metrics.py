"""Figures for Prometheus, in a registry of their own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "sparsesr_requests", "Answers by route and status.", ("route", "status"), registry=self._registry
        )
        self.jobs = Counter(
            "sparsesr_jobs", "Finished work by kind and ending.", ("kind", "ending"), registry=self._registry
        )
        self.seconds = Histogram(
            "sparsesr_work_seconds",
            "Time from the start of the work to its end.",
            ("kind",),
            registry=self._registry,
            buckets=_SECONDS,
        )
        self.pixels = Counter(
            "sparsesr_result_pixels", "Pixels of finished results.", registry=self._registry
        )

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a figure that is read when somebody asks."""
        Gauge(name, description, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All figures in the text format."""
        return generate_latest(self._registry)
