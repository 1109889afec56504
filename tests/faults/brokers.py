"""The brokers that the mirror's tests break: the embedded one, and Apache Kafka."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from adapters.kafka import headers, topics
from adapters.kafka.headers import Place
from adapters.kafka.topics import EVENTS
from tests.faults.processes import wait_until
from tests.real_kafka import RealKafka
from tests.servers import Running, kafka

LANES = 8


class Mirrored(msgspec.Struct, frozen=True):
    """A record of an event."""

    lane: int
    key: str
    event: str
    version: int
    place: Place


class Embedded:
    """In memory: whoever kills it has wiped it."""

    def __init__(self, folder: Path) -> None:
        self.running = Running(kafka(folder), folder / "broker.log")
        self.address_file = folder / "kafka.address"

    def restart(self) -> None:
        self.running.start()

    wipe = restart

    def stop(self) -> None:
        self.running.stop()


class Apache:
    """Keeps its records in files."""

    def __init__(self, folder: Path) -> None:
        self._kafka = RealKafka.create(folder)
        self._folder = folder
        self._data = folder / "data"
        self.running = Running(self._kafka, folder / "broker.log")
        self.address_file = folder / "kafka.address"
        self.address_file.write_text(self._kafka.address())
        self._create_topics()

    def restart(self) -> None:
        self.running.start()

    def wipe(self) -> None:
        """Start the killed broker as a new one, without any record, offset or group."""
        shutil.rmtree(self._data)
        self._kafka.format()
        self.running.start()
        self._create_topics()

    def replace_topic(self) -> None:
        """An empty topic of the same name, while the broker runs."""
        admin = self._admin()
        admin.delete_topics([EVENTS])[EVENTS].result()
        wait_until(lambda: EVENTS not in admin.list_topics(timeout=5).topics, "the topic's end")
        self._create_topics()

    def expire(self) -> None:
        """Delete all records there are, as retention does; what comes later keeps its offset."""
        admin = self._admin()
        ends = [TopicPartition(EVENTS, lane, -1) for lane in range(LANES)]
        for deleted in admin.delete_records(ends).values():
            deleted.result()

    def keep_copy(self) -> None:
        """Of all files, while the broker is down."""
        shutil.copytree(self._data, self._folder / "copy")

    def restore_copy(self) -> None:
        shutil.rmtree(self._data)
        (self._folder / "copy").rename(self._data)

    def stop(self) -> None:
        self.running.stop()

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._kafka.address()})

    def _create_topics(self) -> None:
        topics.create(self._kafka.address(), LANES, replicas=1)


Broker = Embedded | Apache


def records(broker: Broker) -> Sequence[Mirrored]:
    """All that the topic holds now, each lane in its order."""
    return records_at(broker.running.address)


def records_at(address: str, topic: str = EVENTS, partitions: int = LANES) -> Sequence[Mirrored]:
    """All that a topic holds now, each partition in its order."""
    settings = {
        "bootstrap.servers": address,
        "group.id": "check",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 5,
    }
    reader = Consumer(settings)
    reader.assign([TopicPartition(topic, lane, 0) for lane in range(partitions)])
    found: list[Message] = []
    ended: set[int | None] = set()
    while len(ended) < partitions:
        for message in reader.consume(500, timeout=0.2):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
    reader.close()
    return [_mirrored(message) for message in found]


def _mirrored(message: Message) -> Mirrored:
    values = dict(message.headers() or ())
    return Mirrored(
        lane=message.partition() or 0,
        key=str(message.key(), "ascii"),
        event=str(values["ce_id"], "ascii"),
        version=int(values["version"]),
        place=headers.place(list(values.items())),
    )
