"""Events replayed into topics of their own, which no consumer of this system reads."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from uuid import uuid4

import msgspec
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from adapters.kafka import clients, headers
from adapters.kafka.clients import KafkaUnavailable
from adapters.kafka.framing import Framing, plain
from adapters.kafka.headers import Place, UnreadableHeaders
from adapters.kafka.topics import REPLICAS, Refused, Topic, make, topics
from adapters.mongo.commits import envelope
from adapters.mongo.log.journal import Journal
from adapters.mongo.store import Store
from adapters.schemas.trouble import RegistryTrouble
from application.outlets import Mark, Selected, TargetMisnamed, TargetRefused, TargetUnavailable
from domain.replay import Replay

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,248}")
SECONDS = 5.0
"""How long an answer of Kafka is waited for."""
REPLAY = "replay"
"""A header that says which replay has sent a record."""


class Topics:
    """Implements the port Outlets."""

    def __init__(self, journal: Journal, servers: Callable[[], str], framing: Framing = plain) -> None:
        self._journal = journal
        self._servers = servers
        self._framing = framing

    def check(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise TargetMisnamed(
                f"{name!r} cannot be a topic's name: give letters, digits, dots, dashes and underscores alone."
            )
        try:
            check_free(clients.admin(self._servers()), name)
        except TargetUnavailable as trouble:
            raise TargetRefused(str(trouble)) from trouble

    def outlet(self, replay: Replay) -> "ReplayTopic":
        return ReplayTopic(self._journal.store, self._servers(), self._framing, replay)

    def discard(self, replay: Replay, mark: Mark) -> None:
        """The embedded broker deletes no topics; it forgets them when it ends."""
        if not mark.is_begun:
            return
        with _reachable():
            admin = clients.admin(self._servers())
            if clients.is_mock(admin.list_topics(timeout=SECONDS)):
                return
            (deleted,) = admin.delete_topics([replay.target.name], operation_timeout=SECONDS).values()
            try:
                deleted.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise


class ReplayTopic:
    """Implements the port Outlet.

    Records come in the order of positions, so what a partition holds is the beginning of what it is to hold. Its last
    record therefore says what has to follow, whoever was killed after sending it.
    """

    def __init__(self, store: Store, servers: str, framing: Framing, replay: Replay) -> None:
        self._store = store
        self._servers = servers
        self._framing = framing
        self._replay = replay
        self._name = replay.target.name
        self._producer: Producer | None = None
        self._there: dict[int, int] = {}
        """The last position in each partition, when this began."""
        self._partitions = 0

    def begin(self) -> None:
        check_free(clients.admin(self._servers), self._name)

    def open(self, mark: Mark) -> Mark:
        with _reachable():
            self._partitions, is_new = self._make()
            self._there = {} if is_new else dict(last_positions(self._servers, self._name, self._partitions))
            self._producer = clients.producer(self._servers)
        lost = [
            self._there.get(partition, 0) for partition, end in mark.ends.items() if end > self._there.get(partition, 0)
        ]
        return msgspec.structs.replace(mark, position=min([mark.position, *lost]), ends=self._there)

    def _make(self) -> tuple[int, bool]:
        """The number of partitions, and whether it is made here: then it may take a moment until it can be read.

        The embedded broker makes a topic when it is first asked for.
        """
        admin = clients.admin(self._servers)
        cluster = admin.list_topics(timeout=SECONDS)
        if clients.is_mock(cluster):
            return len(admin.list_topics(self._name, timeout=SECONDS).topics[self._name].partitions), False
        missing = [] if self._name in cluster.topics else [self._topic(len(cluster.brokers))]
        return self._store.lanes, self._name in make(admin, missing)

    def _topic(self, brokers: int) -> Topic:
        return Topic(self._name, self._store.lanes, min(REPLICAS, brokers))

    def write(self, events: Sequence[Selected], upto: int, mark: Mark) -> Mark:  # noqa: ARG002
        ends, failures = dict(mark.ends), list[str]()
        with _reachable():
            for event in events:
                partition = event.lane % self._partitions
                if event.position > self._there.get(partition, 0):
                    self._produce(event, partition, ends.get(partition, 0), failures)
                    ends[partition] = event.position
            self._await_delivery(failures)
        return msgspec.structs.replace(mark, ends=ends)

    def _produce(self, event: Selected, partition: int, previous: int, failures: list[str]) -> None:
        """With the headers of the mirror; `previous` is the position before it in this partition of this topic."""
        place = Place(self._store.id, event.position, previous)
        self._opened.produce(
            self._name,
            key=str(event.stream),
            value=self._framing(event.data),
            partition=partition,
            headers=[*headers.encode(place, envelope.unwrap(event.data)), (REPLAY, str(self._replay.id))],
            on_delivery=lambda error, _: failures.append(str(error)) if error else None,
        )

    @property
    def _opened(self) -> Producer:
        if self._producer is None:
            raise TargetUnavailable("The topic was never opened.")
        return self._producer

    def _await_delivery(self, failures: Sequence[str]) -> None:
        deadline = monotonic() + SECONDS
        while self._opened.flush(0.2):
            if monotonic() > deadline:
                raise TargetUnavailable(f"Kafka does not take events into {self._name}.")
        if failures:
            raise TargetUnavailable(f"Kafka does not take events into {self._name}: {failures[0]}")

    def finish(self, mark: Mark) -> str:  # noqa: ARG002
        return f"the topic {self._name}"

    def close(self) -> None:
        """Nothing that was not acknowledged is sent later."""
        if self._producer:
            self._producer.purge()
            self._producer = None


def check_free(admin: AdminClient, name: str) -> None:
    """Raises TargetRefused, or TargetUnavailable."""
    with _reachable():
        there = admin.list_topics(timeout=SECONDS).topics
    if name in {topic.name for topic in topics(1, 1)} or name in there:
        raise TargetRefused(f"The topic {name} exists already, and somebody may read it; name another one.")


def last_positions(servers: str, topic: str, partitions: int) -> Iterator[tuple[int, int]]:
    """The position of the last record of every partition that has one."""
    reader = clients.consumer(servers, f"runledger-replay-{uuid4()}", **{"enable.auto.commit": False})
    try:
        for partition in range(partitions):
            if (position := _last_position(reader, TopicPartition(topic, partition))) is not None:
                yield partition, position
    finally:
        reader.close()


def _last_position(reader: Consumer, place: TopicPartition) -> int | None:
    low, high = reader.get_watermark_offsets(place, timeout=SECONDS)
    if high in {low, OFFSET_INVALID}:
        return None
    reader.assign([TopicPartition(place.topic, place.partition, high - 1)])
    record = reader.poll(SECONDS)
    if record is None or record.error():
        raise TargetUnavailable(f"The end of {place.topic}, partition {place.partition}, cannot be read.")
    try:
        return headers.place(list(dict(record.headers() or ()).items())).position
    except UnreadableHeaders as error:
        raise TargetRefused(f"Somebody else has written into {place.topic}; replay into another one.") from error


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (KafkaException, KafkaUnavailable, Refused, RegistryTrouble) as error:
        raise TargetUnavailable(f"Kafka cannot be used now: {error}") from error
