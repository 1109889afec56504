"""Where spans go: to a collector by OTLP, or to a local file where there is none."""

from collections.abc import Sequence
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from adapters.telemetry.lines import LinesFile


class FileSpanExporter(SpanExporter):
    """A JSON line per span."""

    def __init__(self, file: Path) -> None:
        self._file = LinesFile(file)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._file.append(span.to_json(indent=None) for span in spans)
        return SpanExportResult.SUCCESS


def start_tracing(service: str, otlp_endpoint: str, folder: Path) -> TracerProvider:
    """Send this process's spans to the collector at `otlp_endpoint`, or to a file in `folder` when that is empty."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"runledger-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(_exporter(service, otlp_endpoint, folder)))
    trace.set_tracer_provider(provider)
    return provider


def _exporter(service: str, otlp_endpoint: str, folder: Path) -> SpanExporter:
    if not otlp_endpoint:
        return FileSpanExporter(folder / f"{service}.jsonl")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - 2 MB

    return OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
