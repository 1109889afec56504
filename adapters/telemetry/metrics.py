"""Where metrics go: to a collector by OTLP, or to a local file where there is none."""

from pathlib import Path
from typing import Any

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource

from adapters.telemetry.lines import LinesFile


class FileMetricExporter(MetricExporter):
    """A JSON line per export, which is one per minute."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = LinesFile(file)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **_: Any) -> MetricExportResult:  # noqa: ARG002
        self._file.append([metrics_data.to_json(indent=None)])
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:  # noqa: ARG002
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        pass


def start_metrics(service: str, otlp_endpoint: str, folder: Path) -> MeterProvider:
    """Send this process's metrics to the collector at `otlp_endpoint`, or to a file in `folder` when that is empty.

    Once per minute, or as often as the standard's OTEL_METRIC_EXPORT_INTERVAL says.
    """
    provider = MeterProvider(
        [PeriodicExportingMetricReader(_exporter(service, otlp_endpoint, folder))],
        resource=Resource.create({"service.name": f"runledger-{service}"}),
    )
    metrics.set_meter_provider(provider)
    return provider


def _exporter(service: str, otlp_endpoint: str, folder: Path) -> MetricExporter:
    if not otlp_endpoint:
        return FileMetricExporter(folder / f"{service}.jsonl")
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415 - 2 MB

    return OTLPMetricExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/metrics")
