"""How fast the event log is, beside what it is made of and beside a peer, all in one run.

    python -m tests.benchmarks.event_log [RESULT.json]

Every figure is the median of interleaved rounds. Writes: commits per second, and their ratio to the driver's plain
`insert_one` of the same documents with the same indexes. Reads: events per second, and their ratio to a plain cursor
over the same documents. Mirror: milliseconds from the call of `save` to the event in a subscription's hands.
"""

import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from adapters.kafka.lanes import KafkaFeed
from adapters.kafka.relay import Relay
from adapters.mongo.commits import Commit, Line, collection, document
from adapters.mongo.connection import connect
from adapters.mongo.journal import Journal
from adapters.mongo.log import MongoEventLog
from tests.contracts.event_log import OPERATOR, new_user
from tests.servers import kafka, running, secantus

ROUNDS = 5
COMMITS = 400
THREADS = (1, 8, 32)
DATA = b"x" * 600


def line() -> Line:
    return Line(uuid4(), 1, "Benchmark.Happened", 0, DATA)


def per_second(write: Callable[[], object], threads: int) -> float:
    """Commits per second of so many threads together."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: write(), range(COMMITS)))
    return COMMITS / (time.perf_counter() - begun)


def writers(client, folder: Path) -> dict[str, Callable[[], object]]:
    plain, positions = collection(client["plain"]), count(1)
    journal = Journal(client["log"])
    sqlite = SQLiteApplicationRecorder(SQLiteDatastore(str(folder / "peer.sqlite")))
    sqlite.create_table()
    return {
        "insert_one": lambda: plain.insert_one(document(next(positions), datetime.now(UTC), [Commit([line()])])),
        "event log": lambda: journal.append([line()]),
        "SQLite recorder": lambda: sqlite.insert_events([StoredEvent(uuid4(), 1, "Benchmark.Happened", DATA)]),
    }


def writes(client, folder: Path) -> dict[str, dict[str, float]]:
    made = writers(client, folder)
    results = {}
    for threads in THREADS:
        rounds = [{name: per_second(write, threads) for name, write in made.items()} for _ in range(ROUNDS)]
        medians = {name: median(one[name] for one in rounds) for name in made}
        ratio = median(one["event log"] / one["insert_one"] for one in rounds)
        results[f"{threads} threads"] = medians | {"event log to insert_one": ratio}
    return results


def reads(client) -> dict[str, float]:
    journal = Journal(client["log"])
    rounds = [
        (_events_per_second(lambda: _scan(journal)), _events_per_second(lambda: _cursor(client))) for _ in range(ROUNDS)
    ]
    return {
        "event log": median(log for log, _ in rounds),
        "cursor": median(cursor for _, cursor in rounds),
        "event log to cursor": median(log / cursor for log, cursor in rounds),
    }


def _events_per_second(read: Callable[[], int]) -> float:
    begun = time.perf_counter()
    return read() / (time.perf_counter() - begun)


def _scan(journal: Journal) -> int:
    read = 0
    while page := journal.reading.after(read, 1_000):
        read += len(page)
    return read


def _cursor(client) -> int:
    return sum(commit["n"] for commit in client["log"]["commits"].find())


def mirror(client, servers: Callable[[], str]) -> dict[str, float]:
    """Milliseconds from the call of `save` to the event's delivery, one event every 25 ms."""
    journal, stop = Journal(client["mirrored"]), threading.Event()
    log = MongoEventLog(journal)
    relay = threading.Thread(target=Relay(journal, servers).run, args=[stop])
    delivered: dict[object, float] = {}
    consumer = threading.Thread(target=_consume, args=[KafkaFeed(log, servers), delivered, stop])
    relay.start()
    consumer.start()
    time.sleep(3)
    begun = {}
    for _ in range(200):
        user = new_user()
        begun[user.id] = time.perf_counter()
        log.save(OPERATOR, user)
        time.sleep(0.025)
    time.sleep(2)
    cpu = time.process_time()
    time.sleep(10)
    idle = (time.process_time() - cpu) * 10
    stop.set()
    relay.join()
    consumer.join()
    journal.close()
    delays = quantiles(((delivered[one] - begun[one]) * 1_000 for one in begun), n=20)
    return {"p50 ms": delays[9], "p95 ms": delays[18], "idle, relay and consumer, percent of a core": idle}


def _consume(feed: KafkaFeed, delivered: dict[object, float], stop: threading.Event) -> None:
    subscription = feed.subscribe("benchmark", lambda _lane: 0)
    while not stop.is_set():
        for event in subscription.poll(0.5):
            delivered[event.stream] = time.perf_counter()
    subscription.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(secantus(folder), folder) as mongo, running(kafka(folder), folder) as broker:
            client = connect(mongo.address)
            results = {
                "machine": {"cpus": len(os.sched_getaffinity(0)), "python": platform.python_version()},
                "versions": {package: version(package) for package in ("SecantusDB", "pymongo", "confluent-kafka")},
                "writes, commits per second": writes(client, folder),
                "reads, events per second": reads(client),
                "mirror": mirror(client, broker.server.address),
            }
    text = json.dumps(results, indent=2)
    print(text)  # noqa: T201 - what a benchmark is for
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)


if __name__ == "__main__":
    main()
