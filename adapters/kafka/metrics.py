"""What a relay tells of itself, by OpenTelemetry; docs/reference/metrics.md says what each figure means."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from pymongo.errors import PyMongoError

from adapters.kafka.progress import Behind, behind
from adapters.mongo.log.journal import Journal


class RelayMetrics:
    """Counters grow once per batch; the rest is looked up when it is exported, by the active relay alone."""

    def __init__(self, meter: Meter, journal: Journal) -> None:
        self._journal = journal
        self._position: Callable[[], int] | None = None
        self._events = meter.create_counter("runledger_relay_events", "{event}", "Events that Kafka has taken.")
        self._bytes = meter.create_counter("runledger_relay_bytes", "By", "The size of their values.")
        self._batches = meter.create_counter("runledger_relay_batches", "{batch}", "Batches that Kafka has taken.")
        self._failures = meter.create_counter("runledger_relay_failures", "{try}", "Tries that came to nothing.")
        for name, look, unit, meaning in (
            ("active", self._is_active, "1", "1 for the relay that copies, 0 for one that waits for its turn."),
            ("position", self._at, "1", "Everything up to this position is in Kafka."),
            ("backlog", self._backlog, "{event}", "Events in the log behind this position."),
            ("seconds_behind", self._age, "s", "Since the first of them was stored; 0 without any."),
        ):
            meter.create_observable_gauge(f"runledger_relay_{name}", [look], unit, meaning)

    @contextmanager
    def active(self, position: Callable[[], int]) -> Iterator[None]:
        """This is the active relay, and it is there."""
        self._position = position
        try:
            yield
        finally:
            self._position = None

    def copied(self, events: int, size: int) -> None:
        self._events.add(events)
        self._bytes.add(size)
        self._batches.add(1)

    def failed(self, error: Exception) -> None:
        self._failures.add(1, {"error.type": type(error).__name__})

    def _is_active(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(int(self._position is not None))]

    def _at(self, _: CallbackOptions) -> Iterable[Observation]:
        position = self._position
        return [Observation(position())] if position else []

    def _backlog(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(found.events) for found in self._behind()]

    def _age(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(found.seconds) for found in self._behind()]

    def _behind(self) -> Iterable[Behind]:
        """Nothing where it cannot be known: by another relay, or without the store."""
        position = self._position
        try:
            return [behind(self._journal, position())] if position else []
        except PyMongoError:
            return []
