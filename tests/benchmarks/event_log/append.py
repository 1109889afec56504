"""Appending one event per commit, by one caller and by many at once."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from statistics import median
from typing import Any

from eventsourcing.persistence import ApplicationRecorder
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from adapters.mongo.commits.commits import collection, prepare
from tests.benchmarks.event_log import events
from tests.benchmarks.event_log.emmett import emmett
from tests.benchmarks.event_log.postgresql import USER, postgresql
from tests.benchmarks.event_log.rounds import Figures, Missing, in_turns, ratio
from tests.benchmarks.event_log.servers import Servers, servers
from tests.benchmarks.report import Row

APPENDS = {1: 200, 8: 400, 32: 640}
"""How many each round appends, by the number of callers."""
AIMS = {1: 0.93, 8: 2.8, 32: 3.9}
TOGETHER = 100
"""What one `insert_many` holds."""

LIMIT = "insert_one"
LOG = "event log"

Way = Callable[[int, int], float]
"""Commits per second, given how many callers append how many of them together."""


def table() -> list[Row]:
    with ExitStack() as stack:
        ways, missing = all_ways(stack, stack.enter_context(servers()))
        rows = [row for callers in APPENDS for row in rows_of(callers, ways)]
    return rows + [Row(f"append: {name}", why) for name, why in missing.items()]


def rows_of(callers: int, ways: Mapping[str, Way]) -> Iterator[Row]:
    figures = in_turns({name: lambda way=way: way(callers, APPENDS[callers]) for name, way in ways.items()})
    for name in figures:
        yield row_of(callers, name, figures)


def row_of(callers: int, name: str, figures: Figures) -> Row:
    case = f"append, {callers} caller{'s' * (callers > 1)}: {name}"
    rate = f"{median(figures[name]):.0f} commits/s"
    if name == LIMIT:
        return Row(case, rate)
    aim = str(AIMS[callers]) if name == LOG else ""
    return Row(case, rate, f"{LIMIT}: {median(figures[LIMIT]):.0f}", ratio(figures, name, LIMIT), aim)


# What is compared ---------------------------------------------------------------------------------------------


def all_ways(stack: ExitStack, running: Servers) -> tuple[dict[str, Way], dict[str, str]]:
    """Each with its name, and why some are missing."""
    makers: dict[str, Callable[[ExitStack, Servers], Way]] = {
        LIMIT: insert_one,
        LOG: event_log,
        f"insert_many, {TOGETHER} at a time": insert_many,
        "SQLite recorder": sqlite,
        "PostgreSQL recorder": postgres,
        "Emmett": emmetts,
    }
    made, missing = {}, {}
    for name, make in makers.items():
        try:
            made[name] = make(stack, running)
        except Missing as why:
            missing[name] = str(why)
    return made, missing


def insert_one(_: ExitStack, running: Servers) -> Way:
    """The driver's own insert of what the log would store, with the same indexes and write concern."""
    database = running.client()["plain"]
    prepare(database)
    plain, documents = collection(database), events.documents()
    return lambda callers, appends: together(plain.insert_one, list(islice(documents, appends)), callers)


def insert_many(_: ExitStack, running: Servers) -> Way:
    """As much as the server takes, whoever calls: nobody waits for an answer of his own."""
    database = running.client()["many"]
    prepare(database)
    many, documents = collection(database), events.documents()

    def way(_callers: int, appends: int) -> float:
        made = list(islice(documents, appends))
        begun = time.perf_counter()
        for start in range(0, appends, TOGETHER):
            many.insert_many(made[start : start + TOGETHER])
        return appends / (time.perf_counter() - begun)

    return way


def event_log(_: ExitStack, running: Servers) -> Way:
    journal = running.journal()
    return lambda callers, appends: together(journal.append, [[events.line()] for _ in range(appends)], callers)


def sqlite(stack: ExitStack, running: Servers) -> Way:
    store = SQLiteDatastore(str(running.folder / "peer.sqlite"))
    stack.callback(store.close)
    recorder = SQLiteApplicationRecorder(store)
    recorder.create_table()
    return recorders_way(recorder)


def postgres(stack: ExitStack, _: Servers) -> Way:
    try:
        from eventsourcing.postgres import (  # noqa: PLC0415 - an extra
            PostgresApplicationRecorder,
            PostgresDatastore,
        )
    except ImportError as error:
        raise Missing("psycopg is not installed: pip install -e '.[bench]'") from error
    server = stack.enter_context(postgresql())
    host, _, port = server.address().partition(":")
    store = PostgresDatastore("postgres", host, port, USER, "", pool_size=max(APPENDS))
    stack.callback(store.close)
    recorder = PostgresApplicationRecorder(store)
    recorder.create_table()
    return recorders_way(recorder)


def recorders_way(recorder: ApplicationRecorder) -> Way:
    return lambda callers, appends: together(
        recorder.insert_events, [[events.stored_event()] for _ in range(appends)], callers
    )


def emmetts(stack: ExitStack, running: Servers) -> Way:
    seconds = stack.enter_context(emmett(running.mongo))
    return lambda callers, appends: appends / seconds(callers, appends)


def together(write: Callable[[Any], object], items: list[Any], callers: int) -> float:
    """Items per second, written by so many threads; one caller writes in this one."""
    begun = time.perf_counter()
    if callers == 1:
        for item in items:
            write(item)
    else:
        with ThreadPoolExecutor(callers) as pool:
            list(pool.map(write, items))
    return len(items) / (time.perf_counter() - begun)
