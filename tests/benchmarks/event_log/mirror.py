"""From the log to Kafka: a backlog, and one event."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from adapters.kafka import clients
from adapters.kafka.lanes import KafkaFeed
from adapters.kafka.relay import Relay
from adapters.kafka.topics import EVENTS
from adapters.mongo.commits import envelope
from adapters.mongo.commits.commits import Commit, Line, collection, document
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.writing.bell import Bell
from tests.benchmarks.event_log.rounds import in_turns, ratio
from tests.benchmarks.event_log.servers import Servers, servers
from tests.benchmarks.report import Row, p50_p99
from tests.contracts.event_log import OPERATOR, new_user
from tests.servers import Running

BACKLOG = 2_000
STORED_AT_ONCE = 500
"""So that no insert takes longer than the driver waits, however busy the machine is."""
GROUPS = (1, 100)
"""How many events each commit of the backlog holds: of one caller alone, and as under load."""
BACKLOG_AIM = 0.7
RELAY, PRODUCE, READ = "relay", "produce of the same records", "plain cursor, then produce"
SINGLE = 200
PAUSE_SECONDS = 0.025
PATIENCE_SECONDS = 30.0
"""How long the mirror may take for anything here."""


def table() -> list[Row]:
    with servers() as running:
        broker = running.broker()
        backlogs = [row for together in GROUPS for row in backlog(running, broker, together)]
        return [*backlogs, *one_event(running, broker)]


# A backlog ----------------------------------------------------------------------------------------------------


class Gate(Bell):
    """Holds whoever has come to the end of the log until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self._opened = threading.Event()
        self._arrived = threading.Event()

    def wait(self, heard: int, timeout: float) -> int:
        self._arrived.set()
        self._opened.wait(PATIENCE_SECONDS)
        self._opened.clear()
        return heard

    def await_arrival(self) -> None:
        assert self._arrived.wait(PATIENCE_SECONDS)

    def open(self) -> None:
        self._arrived.clear()
        self._opened.set()


def backlog(running: Servers, broker: Running, together: int) -> list[Row]:
    gate = Gate()
    journal = Journal(running.client()[f"backlog_{together}"], bell_of=lambda _: gate)
    with relaying(journal, broker, gate):
        relayed(journal, gate, together)
        records = first_records(broker)
        producer = clients.producer(broker.address)
        ways = {
            PRODUCE: lambda: produced(producer, records),
            READ: lambda: read_and_produced(journal, producer, records),
            RELAY: lambda: relayed(journal, gate, together),
        }
        rates = in_turns(ways)
    value = f"{median(rates[RELAY]):.0f} events/s"
    aims = {PRODUCE: str(BACKLOG_AIM), READ: ""}
    case = f"relay, a backlog of commits of {together}"
    return [
        Row(case, value, f"{name}: {median(rates[name]):.0f}", ratio(rates, RELAY, name), aim)
        for name, aim in aims.items()
    ]


@contextmanager
def relaying(journal: Journal, broker: Running, gate: Gate) -> Iterator[None]:
    stop = threading.Event()
    relay = threading.Thread(target=Relay(journal, broker.server.address).run, args=[stop])
    relay.start()
    try:
        yield
    finally:
        stop.set()
        gate.open()
        relay.join()


def relayed(journal: Journal, gate: Gate, together: int) -> float:
    """Events per second from letting the relay go on to its coming to the end of the log."""
    gate.await_arrival()
    store_backlog(journal, together)
    begun = time.perf_counter()
    gate.open()
    gate.await_arrival()
    return BACKLOG / (time.perf_counter() - begun)


def store_backlog(journal: Journal, together: int) -> None:
    """Past the log's own writer, so that they are not in this process's memory."""
    first, now = journal.head.find() + 1, datetime.now(UTC)
    for start in range(first, first + BACKLOG, STORED_AT_ONCE):
        positions = range(start, start + STORED_AT_ONCE, together)
        commits = [Commit([user_line(journal) for _ in range(together)]) for _ in positions]
        stored = [document(position, now, [one]) for position, one in zip(positions, commits, strict=True)]
        collection(journal.database).insert_many(stored)


def user_line(journal: Journal) -> Line:
    user = new_user()
    [event] = user.collect_events()
    lane = journal.lane_of(user.lane_key)
    return Line(user.id, 1, envelope.name_of(event), lane, envelope.encode(OPERATOR, event, lane))


def first_records(broker: Running) -> list[Message]:
    """What the relay has sent: a plain producer then sends the same."""
    reader = Consumer({"bootstrap.servers": broker.address, "group.id": "benchmark-records"})
    partitions = reader.list_topics(EVENTS).topics[EVENTS].partitions
    reader.assign([TopicPartition(EVENTS, partition, OFFSET_BEGINNING) for partition in partitions])
    records: list[Message] = []
    while len(records) < BACKLOG:
        records += reader.consume(BACKLOG, timeout=1.0)
    reader.close()
    return records


def produced(producer: Producer, records: list[Message]) -> float:
    copies = [(record.key(), record.value(), record.partition(), record.headers()) for record in records]
    begun = time.perf_counter()
    for key, value, partition, headers in copies:
        producer.produce(EVENTS, key=key, value=value, partition=partition, headers=headers)
    assert producer.flush(PATIENCE_SECONDS) == 0
    return len(copies) / (time.perf_counter() - begun)


def read_and_produced(journal: Journal, producer: Producer, records: list[Message]) -> float:
    """With what a relay cannot do without: the events are in the store first."""
    begun = time.perf_counter()
    head = journal.head.find()
    backlog = collection(journal.database).find({"z": {"$gt": head - BACKLOG, "$lte": head}}, batch_size=BACKLOG)
    assert sum(commit["n"] for commit in backlog) == BACKLOG
    produced(producer, records)
    return BACKLOG / (time.perf_counter() - begun)


# One event ----------------------------------------------------------------------------------------------------


def one_event(running: Servers, broker: Running) -> list[Row]:
    """One every 25 ms, all three measured in turns."""
    journal, stop = running.journal("mirrored"), threading.Event()
    log, delivered = MongoEventLog(journal), Delivered()
    feed = KafkaFeed(log, broker.server.address)
    threads = [
        threading.Thread(target=Relay(journal, broker.server.address).run, args=[stop]),
        threading.Thread(target=delivered.follow, args=[feed, stop]),
    ]
    for thread in threads:
        thread.start()
    producer = clients.producer(broker.address)
    delivered.milliseconds(log), produce_one(producer)  # until all are connected
    saved, ways, sent = [], [], []
    for _ in range(SINGLE):
        sent.append(produce_one(producer))
        save, whole = delivered.milliseconds(log)
        saved.append(save)
        ways.append(whole - save)
        time.sleep(PAUSE_SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return [
        Row("one event: appended -> consumer", p50_p99(ways), f"one produce: {p50_p99(sent)}", None, "p50 10 ms"),
        Row("one event: call of save -> appended", p50_p99(saved)),
    ]


def produce_one(producer: Producer) -> float:
    """Milliseconds until the broker has confirmed one record, in a topic that nobody reads."""
    begun = time.perf_counter()
    producer.produce("benchmark", key=str(uuid4()), value=b"x" * 600)
    assert producer.flush(PATIENCE_SECONDS) == 0
    return (time.perf_counter() - begun) * 1_000


class Delivered:
    """When each stream's event came to a consumer."""

    def __init__(self) -> None:
        self._moments: dict[object, float] = {}
        self._changed = threading.Condition()

    def follow(self, feed: KafkaFeed, stop: threading.Event) -> None:
        subscription = feed.subscribe("benchmark", lambda _lane: 0)
        while not stop.is_set():
            for event in subscription.poll(0.5):
                with self._changed:
                    self._moments[event.stream] = time.perf_counter()
                    self._changed.notify_all()
        subscription.close()

    def milliseconds(self, log: MongoEventLog) -> tuple[float, float]:
        """From the call of `save` to its end, and to the event in the consumer's hands."""
        user = new_user()
        begun = time.perf_counter()
        log.save(OPERATOR, user)
        saved = time.perf_counter()
        with self._changed:
            assert self._changed.wait_for(lambda: user.id in self._moments, PATIENCE_SECONDS)
        return (saved - begun) * 1_000, (self._moments[user.id] - begun) * 1_000
