"""Each embedded server starts, answers its real client, and comes back after kill -9."""

import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pymongo
import pytest
import redis as redis_client
from confluent_kafka import Consumer, Producer

from adapters.embedded.kafka import Kafka
from adapters.embedded.redis import Redis
from adapters.embedded.secantus import Secantus
from adapters.embedded.server import Server, free_port, port_is_free
from ops.up.process import Process

LISTENING = "0A"
LOOPBACK_ADDRESS = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}"

Start = Callable[[Server], Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server and waits until it answers; ends what was started."""
    started: list[Process] = []

    def start_one(server: Server) -> Process:
        process = Process(server.name, server.command(), os.environ, tmp_path / f"{server.name}.log")
        started.append(process)
        process.start()
        wait_until(lambda: server.answers() or not process.runs)
        assert process.runs, process.log.read_text()
        return process

    yield start_one
    for process in started:
        process.signal(signal.SIGKILL)
        wait_until(lambda process=process: not process.runs)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def kill(process: Process) -> None:
    process.signal(signal.SIGKILL)
    wait_until(lambda: not process.runs)


def listeners(pid: int) -> list[str]:
    """The addresses that a process listens on, as the kernel lists them: hexadecimal, in the machine's byte order."""
    sockets = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed, so it is no listener's
            sockets.add(str(file.readlink()))
    rows = [
        row.split() for family in ("tcp", "tcp6") for row in Path(f"/proc/{pid}/net/{family}").read_text().splitlines()
    ]
    return [row[1].split(":")[0] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in sockets]


def test_mongo_keeps_acknowledged_writes_over_kill_9(start, tmp_path):
    server = Secantus(tmp_path / "mongo", free_port())
    process = start(server)
    with pymongo.MongoClient(server.address()) as client:
        client.test.things.insert_one({"_id": 1})
    kill(process)

    start(server)

    with pymongo.MongoClient(server.address()) as client:
        assert client.test.things.find_one() == {"_id": 1}


def test_mongo_is_broken_only_when_it_says_so(start, tmp_path):
    """What a full disk makes of it is shown in tests/faults; one that is silent may be busy."""
    server = Secantus(tmp_path / "mongo", free_port())
    assert not server.is_broken()
    process = start(server)
    assert not server.is_broken()
    process.signal(signal.SIGSTOP)
    assert not server.is_broken()
    process.signal(signal.SIGCONT)
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert not Secantus(tmp_path, other.getsockname()[1]).is_broken()


def test_mongo_has_transactions_and_change_streams_at_its_address(start, tmp_path):
    server = Secantus(tmp_path / "mongo", free_port())
    start(server)
    with pymongo.MongoClient(server.address()) as client:
        things = client.test.things
        with things.watch(max_await_time_ms=100) as changes:
            changes.try_next()
            with client.start_session(causal_consistency=False) as session, session.start_transaction():
                things.insert_one({"_id": 1}, session=session)
            assert changes.next()["documentKey"] == {"_id": 1}


def test_redis_asks_for_its_password_and_writes_no_file(start, tmp_path):
    server = Redis.create(tmp_path, free_port())
    process = start(server)
    with redis_client.Redis.from_url(server.address()) as client:
        client.set("a", 1)
        client.shutdown()
    wait_until(lambda: not process.runs)

    start(server)
    with redis_client.Redis(port=server.port) as stranger, pytest.raises(redis_client.AuthenticationError):
        stranger.get("a")

    assert sorted(file.name for file in tmp_path.iterdir()) == ["redis.conf", "redis.log"]
    assert stat.S_IMODE(server.configuration.stat().st_mode) == 0o600
    assert server.password not in " ".join(server.command())


def test_kafka_has_the_topics_with_their_partitions(start, tmp_path):
    server = Kafka(tmp_path / "kafka.address", {"runledger.events": 8, "other": 1})
    start(server)

    topics = Producer({"bootstrap.servers": server.address()}).list_topics(timeout=10).topics

    assert {name: len(topic.partitions) for name, topic in topics.items()} == {"runledger.events": 8, "other": 1}


def test_a_kafka_group_gets_its_first_record_without_the_group_delay(start, tmp_path):
    server = Kafka(tmp_path / "kafka.address", {"events": 1})
    start(server)
    producer = Producer({"bootstrap.servers": server.address()})
    producer.produce("events", b"hello")
    assert producer.flush(10) == 0
    settings = {"bootstrap.servers": server.address(), "group.id": str(uuid4()), "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe(["events"])

    assert consumer.poll(10).value() == b"hello"

    consumer.close()


def test_kafka_says_its_new_address_after_a_restart(start, tmp_path):
    server = Kafka(tmp_path / "kafka.address", {"events": 1})
    kill(start(server))
    assert not server.answers()

    start(server)

    assert Producer({"bootstrap.servers": server.address()}).list_topics(timeout=10).topics.keys() == {"events"}


def test_all_listen_on_loopback_alone(start, tmp_path):
    servers: list[Server] = [
        Secantus(tmp_path / "mongo", free_port()),
        Redis.create(tmp_path, free_port()),
        Kafka(tmp_path / "kafka.address", {"events": 1}),
    ]
    for server in servers:
        addresses = listeners(start(server).pid)
        assert set(addresses) == {LOOPBACK_ADDRESS}


def test_a_held_port_is_seen(start, tmp_path):
    port = free_port()
    assert port_is_free(port)
    start(Redis.create(tmp_path, port))
    assert not port_is_free(port)


def test_mongo_takes_a_transaction_of_eight_megabytes(start, tmp_path):
    server = Secantus(tmp_path / "mongo", free_port())
    start(server)
    with pymongo.MongoClient(server.address()) as client:
        things = client.test.things
        things.insert_one({"_id": "there"})
        with client.start_session(causal_consistency=False) as session, session.start_transaction():
            things.insert_many([{"_id": n, "bytes": os.urandom(1_000_000)} for n in range(8)], session=session)
        assert things.count_documents({}) == 9
