"""This process's place in a consumer group: which lanes it has, and the records that come in them."""

import logging
from collections.abc import Callable, Sequence
from threading import Thread
from time import monotonic, sleep

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from adapters.kafka import clients
from adapters.kafka.clients import KafkaUnavailable
from adapters.kafka.headers import Headers
from adapters.kafka.topics import EVENTS

log = logging.getLogger(__name__)

MANY = 500
CHECK_SECONDS = 1.0


class Record(msgspec.Struct, frozen=True):
    """What Kafka holds for one event."""

    partition: int
    headers: Headers
    value: bytes


class Membership:
    """Joins as soon as a broker answers, and again when the brokers' address has changed.

    The lanes last given stay while no broker is there to say otherwise, and the orphans until it has said anything:
    cursors are fenced, so should another process have been given one of them, this one's work on it comes to nothing.
    """

    def __init__(self, servers: Callable[[], str], group: str, orphans: frozenset[int] = frozenset()) -> None:
        self._servers = servers
        self._group = group
        self._address = ""
        self._consumer: Consumer | None = None
        self._checked = float("-inf")
        self._revoked: set[int] = set()
        self.lanes = orphans
        self.is_silent = True
        """Whether nothing comes by Kafka, as far as is known: no broker can be reached, or none has given lanes yet."""

    def check(self) -> None:
        """Join if this has not happened yet, or at another address than now. It is looked at once a second."""
        if monotonic() < self._checked + CHECK_SECONDS:
            return
        self._checked = monotonic()
        address = self._servers()
        if address and (self._consumer is None or address != self._address):
            self._leave()
            self._join(address)

    def take_revoked(self) -> set[int]:
        """Lanes that were taken away, or given anew, since this was last asked."""
        revoked, self._revoked = self._revoked, set()
        return revoked

    def records(self, timeout: float) -> Sequence[Record]:
        """What has come; waits `timeout` seconds at most for the first."""
        if self._consumer is None:
            sleep(timeout)
            return []
        first = self._consumer.poll(timeout)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(MANY, timeout=0)]
        return [_record(message) for message in messages if self._is_record(message)]

    def close(self) -> None:
        """Leave the group for good."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _join(self, address: str) -> None:
        try:
            joining = clients.consumer(address, self._group, error_cb=lambda error: self._on_error(address, error))
            joining.subscribe([EVENTS], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        except (KafkaUnavailable, KafkaException) as error:
            log.warning("the group %s cannot be joined: %s", self._group, error)
            self.is_silent = True
            return
        self._consumer, self._address, self.is_silent = joining, address, True

    def _leave(self) -> None:
        """Close in the background: a broker that is gone would be waited for."""
        if self._consumer is not None:
            Thread(target=self._consumer.close, name="leaving", daemon=True).start()
            self._consumer = None

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is not None:
            log.warning("group %s: %s", self._group, error)
            return False
        self.is_silent = False
        return True

    # What the client tells; called inside its poll ------------------------------------------------------------

    def _on_assign(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        given = frozenset(partition.partition for partition in partitions)
        self._revoked |= self.lanes | given  # those of before without having been revoked, too
        self.lanes = given
        self.is_silent = False
        log.info("group %s: lanes %s", self._group, sorted(self.lanes))

    def _on_revoke(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return  # it has left already; its successor decides
        revoked = {partition.partition for partition in partitions}
        self.lanes -= revoked
        self._revoked |= revoked

    def _on_lost(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        if not self.is_silent:
            self._on_revoke(consumer, partitions)

    def _on_error(self, address: str, error: KafkaError) -> None:
        is_down = error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - the library's public name for it
        if is_down and address == self._address and not self.is_silent:
            log.warning("group %s: %s", self._group, error)
            self.is_silent = True


def _record(message: Message) -> Record:
    headers = dict(message.headers() or ())
    return Record(message.partition() or 0, list(headers.items()), message.value() or b"")
