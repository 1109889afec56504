"""What happens to dead letters, as records of a topic for programs outside this system."""

from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
from confluent_kafka import KafkaException, Producer

from adapters.kafka import clients, headers
from adapters.kafka.headers import Headers
from adapters.kafka.topics import DEAD_LETTERS
from adapters.mongo.read_models.outbox import Happened, Outbox
from projections.redelivery import Undelivered

MANY = 500
DELIVERY_SECONDS = 5.0


class DeadLetterTopic:
    """Implements the port Post, for one process at a time. `servers` tells the brokers' addresses, which may change.

    What is killed between Kafka's answer and the outbox sends the same records again, with the same `ce_id`.
    """

    def __init__(self, outbox: Outbox, store: Callable[[], UUID], servers: Callable[[], str]) -> None:
        self._outbox = outbox
        self._store = store
        self._servers = servers
        self._address = ""
        self._producer: Producer | None = None

    def deliver(self) -> None:
        """Raises LogUnavailable or Undelivered."""
        while happened := self._outbox.oldest(MANY):
            try:
                self._send(happened)
            except KafkaException as error:
                raise self._undelivered(str(error)) from error
            self._outbox.sent(happened)

    def _send(self, happened: Sequence[Happened]) -> None:
        producer, failures = self._connected(), list[str]()
        for one in happened:
            producer.produce(
                DEAD_LETTERS,
                key=str(one.stream),
                value=msgspec.json.encode(one),
                headers=self._headers(one),
                on_delivery=lambda error, _: failures.append(str(error)) if error else None,
            )
        if producer.flush(DELIVERY_SECONDS):
            producer.purge()
            raise self._undelivered("Kafka has not answered")
        if failures:
            raise self._undelivered(failures[0])

    def _headers(self, one: Happened) -> Headers:
        return [
            *headers.of_store(self._store()),
            ("ce_id", one.id),
            ("ce_type", f"Letter.{one.what.capitalize()}"),
            ("ce_subject", str(one.stream)),
            ("ce_time", one.at.isoformat()),
        ]

    def _connected(self) -> Producer:
        address = self._servers()
        if self._producer is None or address != self._address:
            self._address, self._producer = address, clients.producer(address)
        return self._producer

    def _undelivered(self, why: str) -> Undelivered:
        self._producer = None
        return Undelivered(f"the topic {DEAD_LETTERS}: {why}")
