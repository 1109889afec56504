"""Copies the log to Kafka, event by event in the order of positions."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Event
from time import monotonic

import msgspec
from confluent_kafka import KafkaException, Producer
from opentelemetry.metrics import Meter, NoOpMeter
from pymongo.errors import PyMongoError

from adapters.kafka import clients, headers
from adapters.kafka.framing import Framing, plain
from adapters.kafka.headers import Place
from adapters.kafka.metrics import RelayMetrics
from adapters.kafka.progress import ROLE, Progress, Refill
from adapters.kafka.refill import Request
from adapters.kafka.topics import EVENTS
from adapters.mongo.commits import envelope
from adapters.mongo.commits.commits import MAX_EVENTS, Document, Line, Placed
from adapters.mongo.leases import Lease, LeaseLost
from adapters.mongo.log.journal import Journal
from adapters.schemas.trouble import RegistryTrouble
from application.ports.log import UnreadableEvent

log = logging.getLogger(__name__)

DELIVERY_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 1.0
FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0


UNREADABLE = (
    "The event at position {position} cannot be read, so nothing behind it is copied. Restore the log from a backup; "
    "`runledger events verify` says what else is wrong with it. {error}"
)


class DeliveryFailed(Exception):
    """Kafka did not take these events; they are sent again."""


class Cursor(msgspec.Struct, frozen=True):
    """How far the log is copied."""

    position: int = 0
    lanes: Mapping[int, int] = {}
    """The last copied position of each lane."""

    def previous(self, lane: int) -> int:
        """The last copied position of a lane; 0 for none."""
        return self.lanes.get(lane, 0)

    def past(self, position: int, lane: int) -> "Cursor":
        return Cursor(position, {**self.lanes, lane: position})


NO_METER = NoOpMeter("runledger.relay")
TROUBLES = (PyMongoError, KafkaException, DeliveryFailed, RegistryTrouble, UnreadableEvent)
"""What is waited for."""


class Relay:
    """Runs in any number of processes; one at a time is active.

    A stale one that does not know it yet does no harm: it sends what was sent before, and consumers drop that.
    `servers` tells the brokers' addresses and is asked again and again, because an embedded broker takes a new one at
    each start. `framing` turns an event's bytes into a record's value; `meter` makes the relay's metrics.
    """

    def __init__(
        self,
        journal: Journal,
        servers: Callable[[], str],
        framing: Framing = plain,
        meter: Meter = NO_METER,
    ) -> None:
        self._journal = journal
        self._servers = servers
        self._framing = framing
        self._metrics = RelayMetrics(meter, journal)

    def run(self, stop: Event) -> None:
        """Copy while this is the active one, until told to stop. What cannot be reached is waited for."""
        lease = Lease(self._journal.database, ROLE)
        while not stop.is_set():
            try:
                state = lease.acquire()
                if state is not None:
                    _Copying(self._journal, lease, self._servers, self._framing, self._metrics, state).run(stop)
            except (LeaseLost, PyMongoError) as error:
                log.warning("the relay is not active: %s", error)
            stop.wait(LOOK_AGAIN_SECONDS)


class _Copying:
    """The active relay's work, from taking the lease to losing it or giving it up."""

    def __init__(
        self,
        journal: Journal,
        lease: Lease,
        servers: Callable[[], str],
        framing: Framing,
        metrics: RelayMetrics,
        state: Mapping[str, object],
    ) -> None:
        self._journal = journal
        self._lease = lease
        self._servers = servers
        self._framing = framing
        self._metrics = metrics
        kept = msgspec.convert(state, Progress)
        self._cursor = self._cursor_at(min(kept.position, journal.head.find()))
        self._refill = kept.refill
        self._address = ""
        self._producer: Producer | None = None
        self._heard = 0
        self._trouble = ""

    def run(self, stop: Event) -> None:
        """Raises LeaseLost."""
        with self._metrics.active(lambda: self._cursor.position):
            self._run(stop)
        with suppress(PyMongoError):
            self._lease.release(msgspec.to_builtins(Progress(self._cursor.position, refill=self._refill)))

    def _run(self, stop: Event) -> None:
        wait = FIRST_WAIT
        while not stop.is_set():
            try:
                self._step()
                wait, self._trouble = FIRST_WAIT, ""
            except TROUBLES as error:
                log.warning("the relay tries again in %.1f s: %s", wait, error)
                self._fail(error)
                stop.wait(wait)
                wait = min(wait * 2, LONGEST_WAIT)

    def _fail(self, error: Exception) -> None:
        """Say at once what is waited for; it also keeps the lease, for a try and the wait take long."""
        self._metrics.failed(error)
        self._trouble = str(error)
        self._producer = None
        with suppress(PyMongoError):
            self._renew()

    def _step(self) -> None:
        """Copy what is new, or wait for it; renew the lease when it is time."""
        if self._lease.is_due():
            self._renew()
        self._connected()  # before the first event: an idempotent producer takes half a second to become ready
        position = self._cursor.position
        placed = self._journal.recent.after(position) or self._journal.reading.after(position, MAX_EVENTS)
        if placed:
            self._copy(placed)
        else:
            self._journal.reading.check_is_end(position, self._journal.head.find())
        if len(placed) < MAX_EVENTS:
            self._heard = self._journal.bell.wait(self._heard, LOOK_AGAIN_SECONDS)

    # The lease ------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        """Write down how far this is; take up what is asked."""
        asked = self._keep()
        request = msgspec.convert(asked, Request) if asked else None
        if request and (self._refill is None or request.number > self._refill.number):
            self._go_back(request)

    def _keep(self) -> Document | None:
        return self._lease.keep(msgspec.to_builtins(Progress(self._cursor.position, self._trouble, self._refill)))

    def _go_back(self, request: Request) -> None:
        """Send again from there on: one contiguous run, so that Kafka gets events in order as ever."""
        self._cursor = self._cursor_at(min(self._cursor.position, request.first - 1))
        self._refill = Refill(request.number, request.first, self._journal.head.find())
        log.info("events from position %s on are sent to Kafka again", request.first)
        self._keep()

    def _cursor_at(self, position: int) -> Cursor:
        return Cursor(position, self._journal.lane_heads.at(position))

    # Copying --------------------------------------------------------------------------------------------------

    def _copy(self, placed: Sequence[Placed]) -> None:
        """Those before an unreadable one as well. Raises UnreadableEvent when the first one is."""
        try:
            self._cursor = self._send(placed)
        except UnreadableEvent:
            self._cursor = self._send(_readable(placed))

    def _send(self, placed: Sequence[Placed]) -> Cursor:
        """The cursor behind these events, once Kafka has confirmed all of them. Raises DeliveryFailed."""
        producer, cursor = self._connected(), self._cursor
        failures: list[str] = []
        values = [self._framing(line.data) for _, line in placed]
        for (position, line), value in zip(placed, values, strict=True):
            self._produce(producer, position, cursor.previous(line.lane), line, value, failures)
            cursor = cursor.past(position, line.lane)
        self._await_delivery(producer)
        if failures:
            raise DeliveryFailed(failures[0])
        self._metrics.copied(len(placed), sum(map(len, values)))
        return cursor

    def _produce(
        self, producer: Producer, position: int, previous: int, line: Line, value: bytes, failures: list[str]
    ) -> None:
        place = Place(self._journal.store.id, position, previous)
        producer.produce(
            EVENTS,
            key=str(line.stream),
            value=value,
            partition=line.lane,
            headers=headers.encode(place, envelope.unwrap(line.data)),
            on_delivery=lambda error, _: failures.append(str(error)) if error else None,
        )

    def _await_delivery(self, producer: Producer) -> None:
        deadline = monotonic() + DELIVERY_SECONDS
        while producer.flush(0.2):
            if monotonic() > deadline or self._servers() != self._address:
                producer.purge()
                raise DeliveryFailed(DeliveryFailed.__doc__)

    def _connected(self) -> Producer:
        address = self._servers()
        if self._producer is None or address != self._address:
            self._address, self._producer = address, clients.producer(address)
        return self._producer


def _readable(placed: Sequence[Placed]) -> Sequence[Placed]:
    """Those before the first unreadable one. Raises UnreadableEvent when there are none."""
    readable: list[Placed] = []
    for position, line in placed:
        try:
            envelope.unwrap(line.data)
        except UnreadableEvent as error:
            if readable:
                break
            raise UnreadableEvent(UNREADABLE.format(position=position, error=error)) from error
        readable.append((position, line))
    return readable
