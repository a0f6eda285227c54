"""The counters of served files for Prometheus, through the registry of the server's own library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import REGISTRY

from hybridx.integrations.served import Counts, Served


@dataclass(frozen=True)
class Metric:
    """A number that is scraped.

    Attributes:
        name: as Prometheus has it; a counter's name ends in `_total` there.
        kind: a counter only grows.
        text: what it is.
        attribute: of `Counts`.
    """

    name: str
    kind: Literal["counter", "gauge"]
    text: str
    attribute: str


METRICS: Final = (
    Metric("hybridx_rows", "counter", "Rows of answered requests.", "rows"),
    Metric("hybridx_seconds", "counter", "Seconds of answered requests, waiting too.", "seconds"),
    Metric("hybridx_waiting", "gauge", "Requests that wait or run now.", "waiting"),
    Metric("hybridx_submissions", "counter", "Calls of the device.", "submissions"),
    Metric("hybridx_circuits", "counter", "Circuits that the device was sent.", "circuits"),
    Metric("hybridx_shots", "counter", "Shots that the device was asked for.", "shots"),
    Metric("hybridx_ready", "gauge", "1 after the self-test, until the server ends.", "is_ready"),
)
REQUESTS: Final = "hybridx_requests"
"""A counter with the label `result`: `answered`, or the kind of the refusal."""


class _Served:
    """Collects the counters of all served files of a process when they are scraped."""

    def __init__(self) -> None:
        self._served: dict[str, Served] = {}

    def add(self, name: str, served: Served) -> None:
        """Show a file under the name of its model; a later one of the same name takes its place."""
        self._served[name] = served

    def collect(self) -> Iterator[Any]:
        """Yield the metrics with a sample for each model."""
        counts = {name: served.counts() for name, served in self._served.items()}
        requests = CounterMetricFamily(
            REQUESTS, "Requests by what came of them.", labels=["model", "result"]
        )
        for name, found in counts.items():
            for result, count in results_of(found).items():
                requests.add_metric([name, result], count)
        yield requests
        for metric in METRICS:
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, metric.text, labels=["model"])
            for name, found in counts.items():
                family.add_metric([name], float(getattr(found, metric.attribute)))
            yield family


def results_of(counts: Counts) -> dict[str, int]:
    """Return how many requests were answered, and how many refused, by kind."""
    return {"answered": counts.answered, **counts.refused}


_COLLECTORS: dict[int, tuple[CollectorRegistry, _Served]] = {}


def export(name: str, served: Served, registry: CollectorRegistry = REGISTRY) -> None:
    """Let a registry show the counters of a served file.

    Args:
        name: of the model.
        served: the file.
        registry: that the server's endpoint shows.
    """
    if id(registry) not in _COLLECTORS:
        collector = _Served()
        registry.register(collector)
        _COLLECTORS[id(registry)] = registry, collector
    _COLLECTORS[id(registry)][1].add(name, served)
