"""A collector that takes metrics and spans by OTLP over HTTP and remembers what it was last told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.receiver import receiving


class Collector:
    def __init__(self) -> None:
        self.metrics: dict[str, tuple[str, str]] = {}
        """The kind and unit of each name."""
        self.services: set[str] = set()
        """Who sent metrics."""
        self.traced: set[str] = set()
        """Who sent spans."""
        self._values: dict[tuple[str, str], float] = {}

    def value(self, name: str, error: str = "") -> float | None:
        """Of the last export that had it."""
        return self._values.get((name, error))

    def take(self, body: bytes) -> None:
        """One export replaces the one before: what it does not tell is not known."""
        self._values = {}
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            self.services.add(_attribute(resource.resource, "service.name"))
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self._take(metric)

    def take_spans(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.traced.add(_attribute(resource.resource, "service.name"))

    def _take(self, metric: Any) -> None:
        kind = metric.WhichOneof("data")
        self.metrics[metric.name] = ("counter" if kind == "sum" else kind, metric.unit)
        for point in getattr(metric, kind).data_points:
            self._values[metric.name, _attribute(point, "error.type")] = getattr(point, point.WhichOneof("value"))


def _attribute(of: Any, key: str) -> str:
    return next((one.value.string_value for one in of.attributes if one.key == key), "")


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector and its endpoint, on a free port of loopback."""
    collector = Collector()

    def take(path: str, body: bytes) -> None:
        match path:
            case "/v1/metrics":
                collector.take(body)
            case "/v1/traces":
                collector.take_spans(body)

    with receiving(take) as endpoint:
        yield collector, endpoint
