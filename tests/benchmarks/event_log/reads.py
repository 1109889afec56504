"""Reading a stream, its end, and the whole log, beside a plain cursor over the same documents."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from random import Random
from statistics import median
from typing import Any
from uuid import UUID, uuid4

from pymongo.collection import Collection

from adapters.mongo.commits.commits import Commit, collection, document, key
from adapters.mongo.library.recorders import MongoAggregateRecorder
from adapters.mongo.log.journal import Journal
from tests.benchmarks.event_log import events
from tests.benchmarks.event_log.rounds import Figures, in_turns, ratio
from tests.benchmarks.event_log.servers import Servers, servers
from tests.benchmarks.report import Row

AIMS = {10: 1.2, 100: 1.3, 1_000: 1.5}
"""By the length of a stream, how many times the cursor's time it may take."""
READS = {10: 100, 100: 30, 1_000: 5}
"""How often each round reads, by the length of the stream."""
LAST = 3
OTHERS = 4_000
"""Events of other streams in the log."""
TOGETHER = 100
PAGE = 1_000
SCAN_AIM = 0.85

CURSOR, LOG = "cursor", "event log"


def table() -> list[Row]:
    with ExitStack() as stack:
        running = stack.enter_context(servers())
        streams = {length: uuid4() for length in AIMS}
        journal = running.journal()
        commits = collection(journal.database)
        store(commits, log_with(streams))
        rows = [row for length in AIMS for row in of_stream(journal, commits, streams[length], length)]
        return [*rows, scan(journal, commits), scan(*grouped(running), "of commits of 100 events")]


def store(commits: Collection[Any], documents: list[dict[str, Any]]) -> None:
    """In parts, so that no insert takes longer than the driver waits, however busy the machine is."""
    for start in range(0, len(documents), PAGE):
        commits.insert_many(documents[start : start + PAGE])


def log_with(streams: dict[int, UUID]) -> list[dict[str, Any]]:
    """Commits of one event each: those of these streams between those of others."""
    owners: list[UUID | None] = [stream for length, stream in streams.items() for _ in range(length)]
    owners += [None] * OTHERS
    Random(1).shuffle(owners)
    versions: Counter[UUID] = Counter()
    documents = []
    for position, stream in enumerate(owners, 1):
        owner = stream or uuid4()
        versions[owner] += 1
        documents.append(document(position, datetime.now(UTC), [Commit([events.line(owner, versions[owner])])]))
    return documents


# A stream -----------------------------------------------------------------------------------------------------


def of_stream(journal: Journal, commits: Collection[Any], stream: UUID, length: int) -> Iterator[Row]:
    recorder = MongoAggregateRecorder(journal)
    last = {"k": {"$in": [key(stream, version) for version in range(length - LAST + 1, length + 1)]}}
    yield compared(
        f"a stream of {length} events",
        length,
        lambda: len(list(commits.find({"st": stream}))) == length,
        lambda: len(recorder.select_events(stream)) == length,
    )
    yield compared(
        f"a stream of {length} events: the last {LAST}",
        length,
        lambda: len(list(commits.find(last))) == LAST,
        lambda: len(recorder.select_events(stream, gt=length - LAST)) == LAST,
    )


def compared(case: str, length: int, cursor: Callable[[], bool], log: Callable[[], bool]) -> Row:
    times = in_turns({CURSOR: lambda: milliseconds(cursor, length), LOG: lambda: milliseconds(log, length)})
    value, beside = (f"{median(times[name]):.2f} ms" for name in (LOG, CURSOR))
    return Row(case, value, f"{CURSOR}: {beside}", ratio(times, LOG, CURSOR), f"at most {AIMS[length]}")


def milliseconds(read: Callable[[], bool], length: int) -> float:
    begun = time.perf_counter()
    for _ in range(READS[length]):
        assert read()
    return (time.perf_counter() - begun) * 1_000 / READS[length]


# The whole log ------------------------------------------------------------------------------------------------


def grouped(running: Servers) -> tuple[Journal, Collection[Any]]:
    """A log as it is written under load."""
    journal = running.journal("grouped")
    commits = collection(journal.database)
    positions = range(1, OTHERS, TOGETHER)
    now = datetime.now(UTC)
    store(commits, [document(first, now, [Commit([events.line() for _ in range(TOGETHER)])]) for first in positions])
    return journal, commits


def scan(journal: Journal, commits: Collection[Any], what: str = "of the log") -> Row:
    rates: Figures = in_turns(
        {CURSOR: lambda: per_second(lambda: by_cursor(commits)), LOG: lambda: per_second(lambda: by_pages(journal))}
    )
    value, beside = (f"{median(rates[name]):.0f} events/s" for name in (LOG, CURSOR))
    return Row(f"scan {what}", value, f"{CURSOR}: {beside}", ratio(rates, LOG, CURSOR), str(SCAN_AIM))


def by_cursor(commits: Collection[Any]) -> int:
    return sum(commit["n"] for commit in commits.find())


def by_pages(journal: Journal) -> int:
    return sum(len(page) for page in journal.reading.pages(0, journal.head.find()))


def per_second(read: Callable[[], int]) -> float:
    begun = time.perf_counter()
    return read() / (time.perf_counter() - begun)
