"""How fast read models are folded, made anew and compared with the log, beside reading and decoding the same events."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from statistics import median
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

from pymongo import IndexModel
from pymongo.collection import Collection

from adapters.kafka.lanes import KafkaFeed
from adapters.mongo.commits import envelope
from adapters.mongo.commits.commits import Line
from adapters.mongo.connection import Document, durable
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.read_models.generations import collection_name
from adapters.mongo.read_models.read_models import MongoReadModels
from adapters.mongo.read_models.stored import MongoStored
from application.ports.log import Context
from application.progress import tell_nobody
from domain.execution import Execution, Limits, Outcome, Status
from domain.sealed import Sealed
from ops.hands import Processes
from projections.engine import Engine
from projections.execution_status import PROJECTION
from projections.hands import Own
from projections.projection import Projection
from projections.registry import READ_MODELS
from tests.benchmarks.event_log.rounds import in_turns, ratio
from tests.benchmarks.event_log.servers import Servers, servers
from tests.benchmarks.report import Row
from tests.shares import peak_bytes

MIB = 1024 * 1024
EVENTS = int(os.environ.get("BENCH_EVENTS", "100000"))
EACH = 20
"""Events of one run, and so of one document."""
AT_ONCE = 50
"""So many runs are under way at the same time."""
TOGETHER = 50
"""Events in one commit, as under load."""
INSERTED_AT_ONCE = 1_000
LOOK_SECONDS = 0.02
ROUNDS = 3

SCAN, LIVE, ONE, TWO, VERIFY = "scan and decode", "live fold, one worker", "rebuild, 1 process", "rebuild, 2", "verify"
ALL = f"live fold of all {len(READ_MODELS)} read models, one worker"
BARE = "scan and decode, then insert_many"
"""Of the finished documents, with the read model's index: what no rebuild by one process can do without."""
AIMS = {LIVE: "0.3", ALL: "", BARE: "", ONE: "0.5", TWO: "0.8", VERIFY: "0.5"}

AT = datetime.now(UTC)
CONTEXT = Context("operator", AT, uuid4())


def table() -> list[Row]:
    with ExitStack() as stack:
        models = Models(stack.enter_context(servers()))
        models.fill()
        ways: dict[str, Callable[[], float]] = {
            SCAN: models.scan,
            LIVE: models.fold_live,
            ALL: lambda: models.fold_live(READ_MODELS),
            BARE: models.scan_and_insert,
            ONE: lambda: models.rebuild(1),
            TWO: lambda: models.rebuild(2),
            VERIFY: models.verify,
        }
        seconds = in_turns(ways, ROUNDS)
        peak = models.rebuild_peak()
    rates = {name: [models.head / one for one in figures] for name, figures in seconds.items()}
    beside = f"{SCAN}: {median(rates[SCAN]):,.0f}"
    return [
        Row(
            f"{name}, {models.head:,} events",
            f"{median(rates[name]):,.0f} events/s",
            beside,
            ratio(rates, name, SCAN),
            aim,
        )
        for name, aim in AIMS.items()
    ] + [Row(f"memory of {ONE}, {models.head:,} events", f"{peak / MIB:.0f} MB", "", None, "at most 300 MB")]


class Models:
    """A log of runs, and one read model of it."""

    def __init__(self, servers: Servers) -> None:
        broker = servers.broker()
        os.environ |= {
            "RUNLEDGER_MONGO_URL": servers.mongo,
            "RUNLEDGER_REDIS_URL": servers.redis,
            "RUNLEDGER_MONGO_DATABASE": "models",
            "RUNLEDGER_DATA": str(servers.folder),
        }
        self.journal: Journal = servers.journal("models")
        self.log = MongoEventLog(self.journal)
        self.lanes = frozenset(range(self.log.lanes))
        self.feed = KafkaFeed(self.log, broker.server.address)
        self.store = MongoReadModels(self.journal.database)
        self.stored = MongoStored(self.journal.database)
        self.store.generations.prepare(READ_MODELS, {}, self.log.lanes)

    def fill(self) -> None:
        lines: list[Line] = []
        for line in self._lines():
            lines.append(line)
            if len(lines) == TOGETHER:
                self.journal.append(lines)
                lines = []
        self.head = self.log.head()

    def _lines(self) -> Iterator[Line]:
        """The events of some runs at a time, taking turns."""
        for _ in range(EVENTS // EACH // AT_ONCE):
            runs = [events_of(uuid4()) for _ in range(AT_ONCE)]
            for number in range(EACH):
                for run in runs:
                    event = run[number]
                    lane = self.journal.lane_of(event.originator_id)
                    yield Line(
                        event.originator_id,
                        event.originator_version,
                        envelope.name_of(event),
                        lane,
                        envelope.encode(CONTEXT, event, lane),
                    )

    # The ways; each returns its seconds -------------------------------------------------------------------------

    def scan(self) -> float:
        begun = time.perf_counter()
        pages = self.log.scan(self.lanes, 0, self.head)
        assert sum(len(page.events) for page in pages) == self.head
        return time.perf_counter() - begun

    def fold_live(self, projections: Sequence[Projection] = (PROJECTION,)) -> float:
        """All of it waits for an engine that has just joined its group; Kafka holds nothing of it."""
        self._begin_again(projections)
        stop = Event()
        engine = Engine(str(uuid4()), projections, self.feed, self.log, self.store, Silence())
        thread = Thread(target=engine.run, args=[stop])
        thread.start()
        while not sum(self._positions().values()):
            time.sleep(0.01)
        begun, already = time.perf_counter(), self._folded()
        while self._folded() < self.head:
            time.sleep(0.01)
        seconds = time.perf_counter() - begun
        stop.set()
        thread.join()
        return seconds * self.head / (self.head - already)

    def _begin_again(self, projections: Sequence[Projection]) -> None:
        database = self.journal.database
        for projection in projections:
            database[collection_name(projection.name, 1)].delete_many({})  # dropping several holds up the server
        database["cursors"].update_many({}, {"$set": {"position": 0}})

    def _bare(self) -> Collection[Document]:
        """An empty collection with the read model's index."""
        made = durable(self.journal.database, "bare")
        made.drop()
        made.create_indexes([IndexModel(list(keys)) for keys in PROJECTION.indexes])
        return made

    def scan_and_insert(self) -> float:
        documents = list(self.journal.database[collection_name(PROJECTION.name, 1)].find())
        bare = self._bare()
        seconds, begun = self.scan(), time.perf_counter()
        for start in range(0, len(documents), INSERTED_AT_ONCE):
            bare.insert_many(documents[start : start + INSERTED_AT_ONCE])
        return seconds + time.perf_counter() - begun

    def _positions(self) -> Mapping[int, int]:
        return self.store.generations.positions(PROJECTION.name, 1)

    def _folded(self) -> int:
        """How many events; each lane has its share in every stretch of the log."""
        heads = self.log.lane_heads()
        share = [min(1.0, position / heads[lane]) for lane, position in self._positions().items() if lane in heads]
        return round(self.head * sum(share) / len(share))

    def rebuild(self, processes: int) -> float:
        generation = self.store.generations.begin(PROJECTION, uuid4(), self.log.lanes)
        begun = time.perf_counter()
        self._hands(processes).refold(PROJECTION, generation.number, self.head, Event(), tell_nobody)
        seconds = time.perf_counter() - begun
        assert min(self.store.generations.positions(PROJECTION.name, generation.number).values()) == self.head
        self.store.generations.abandon(PROJECTION.name)
        return seconds

    def rebuild_peak(self) -> int:
        """The most bytes that its process holds."""
        with ThreadPoolExecutor(1) as pool:
            rebuilt, peak = pool.submit(self.rebuild, 1), 0
            while not rebuilt.done():
                peak = max(peak, peak_bytes())
                time.sleep(LOOK_SECONDS)
        assert rebuilt.result()
        return peak

    def verify(self) -> float:
        begun = time.perf_counter()
        found = self._hands(2).verify(PROJECTION, 1, Event(), tell_nobody, is_full=True)
        assert (found.documents, found.findings) == (EVENTS // EACH, ())
        return time.perf_counter() - begun

    def _hands(self, processes: int) -> Processes:
        own = Own(self.log, self.store, self.stored)
        return Processes(own, lambda: self.head, self.log.lanes, processes)


class Silence:
    """Implements Notices, for nobody."""

    def publish(self, notices: object, moved: object) -> None:
        pass


def new_run(id: UUID) -> Execution:
    sealed = Sealed(key=uuid4(), size=400, box=b"x" * 430)
    return Execution(
        id=id,
        owner=uuid4(),
        language="python",
        version="3.11",
        script=sealed,
        stdin=None,
        limits=Limits(),
        fingerprint="f" * 64,
        timestamp=AT,
    )


def events_of(id: UUID) -> list[Any]:
    """A run with as many events as are wanted."""
    run = new_run(id)
    run.create_sandbox(f"run-{id}-1", AT)
    run.start(AT)
    for _ in range(EACH - 4):
        run.trigger_event(Execution.CancelRequested, timestamp=AT)
    run.finish(Outcome(Status.SUCCEEDED, "exited with code 0", exit_code=0), None, AT)
    return list(run.collect_events())
