"""A relay at work, and what it has brought into the topic."""

import threading
import time

from confluent_kafka import Consumer, TopicPartition

from adapters.kafka.framing import plain
from adapters.kafka.relay import Relay
from adapters.kafka.topics import EVENTS
from adapters.mongo.journal import Journal


class Relaying:
    """A relay in a thread, with a log of its own as another process has."""

    def __init__(self, database, broker, framing=plain):
        self._journal = Journal(database)
        self._stop = threading.Event()
        relay = Relay(self._journal, broker.server.address, framing)
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
