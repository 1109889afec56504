"""A relay at work, and what it has brought into the topic."""

import threading
import time

from confluent_kafka import Consumer, TopicPartition

from adapters.kafka import headers
from adapters.kafka.framing import plain
from adapters.kafka.headers import Place
from adapters.kafka.relay import NO_METER, Relay
from adapters.kafka.topics import EVENTS
from adapters.mongo.log.journal import Journal


class Relaying:
    """A relay in a thread, with a log of its own as another process has."""

    def __init__(self, database, broker, framing=plain, meter=NO_METER):
        self._journal = Journal(database)
        self._stop = threading.Event()
        relay = Relay(self._journal, broker.server.address, framing, meter)
        self._thread = threading.Thread(target=relay.run, args=[self._stop])
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._journal.close()


def mirrored(broker, number, patience=20.0):
    """The first so many records of all partitions, each lane in its order."""
    reader = Consumer({"bootstrap.servers": broker.address, "group.id": "check", "fetch.wait.max.ms": 5})
    reader.assign([TopicPartition(EVENTS, lane, 0) for lane in range(8)])
    records, deadline = [], time.monotonic() + patience
    while len(records) < number and time.monotonic() < deadline:
        records += [one for one in reader.consume(100, timeout=0.2) if not one.error()]
    reader.close()
    return records


def places(records):
    """Of one appearance each, in order."""
    return sorted({headers.place(record.headers()) for record in records}, key=lambda place: place.position)


def true_places(log, first=1):
    """As the whole log says."""
    found = []
    last = dict.fromkeys(range(8), 0)
    for event in log.read(0, 1_000):
        found.append(Place(log.store.id, event.position, last[event.lane]))
        last[event.lane] = event.position
    return found[first - 1 :]


def positions_by_lane(records, *, sort=False):
    lanes = {lane: [] for lane in range(8)}
    for record in records:
        lanes[record.partition()].append(headers.place(record.headers()).position)
    return {lane: sorted(found) for lane, found in lanes.items()} if sort else lanes
