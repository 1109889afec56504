"""A store, its mirror in Kafka and those who read it, as processes that can be broken."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from pymongo.database import Database

from adapters.kafka import refill
from adapters.kafka.progress import Progress
from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from tests.contracts.feed import save_users
from tests.faults import checker
from tests.faults.brokers import Broker, records
from tests.faults.folding import FOLDS, STATES, read_models
from tests.faults.processes import Program, program, wait_until
from tests.servers import Running


class Mirror:
    """A store, its mirror and those who read it."""

    def __init__(self, mongo: Running, broker: Broker, programs: ExitStack) -> None:
        self.name = f"test_{uuid4().hex}"
        self.url = mongo.address
        self.broker = broker
        self.database: Database[dict[str, Any]] = connect(mongo.address)[self.name]
        self.journal = Journal(self.database)
        self.log = MongoEventLog(self.journal)
        self._read_models = read_models(self.database, self.log.lanes)
        self._programs = programs
        self._arguments = mongo.address, self.name, broker.address_file

    def relay(self, pause_at: int = 0, role: str = "relay") -> Program:
        return self._programs.enter_context(program("relaying", *self._arguments, str(pause_at), role))

    def consumer(self, pause_at: int = 0, place: str = "fold") -> Program:
        return self._programs.enter_context(program("folding", *self._arguments, str(pause_at), place))

    @contextmanager
    def load(self) -> Iterator[None]:
        """New events all the time."""
        stop = Event()

        def write() -> None:
            while not stop.is_set():
                save_users(self.log, 1)
                stop.wait(0.01)

        thread = Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    # What is waited for ---------------------------------------------------------------------------------------

    def folded(self) -> dict[int, int]:
        """Up to where, by lane."""
        found = [self._read_models.positions(projection.name) for projection in (STATES, FOLDS)]
        return {lane: least for lane in found[0] if (least := min(positions[lane] for positions in found))}

    def has_folded_all(self) -> bool:
        return self.has_folded_up_to(self.log.lane_heads())

    def has_folded_beyond(self, position: int) -> bool:
        return any(folded > position for folded in self.folded().values())

    def has_folded_up_to(self, heads: Mapping[int, int]) -> bool:
        """In each lane."""
        folded = self.folded()
        return all(folded.get(lane, 0) >= head for lane, head in heads.items())

    def has_copied_all(self) -> bool:
        return len(self.copied()) == self.log.head()

    def copied(self) -> set[int]:
        """The positions that Kafka has."""
        return {one.place.position for one in records(self.broker) if one.place.store == self.log.store.id}

    def refill(self, first: int) -> Iterator[Progress]:
        """Ask the relay to send from there on again, and follow it."""
        return refill.follow(self.database, refill.ask(self.database, first))

    def copies(self) -> int:
        return len(records(self.broker))

    # What is proved -------------------------------------------------------------------------------------------

    def check(self, *, kafka_is_complete: bool = True) -> None:
        wait_until(self.has_folded_all, "consumers that have folded the whole log")
        events = checker.read_all(self.log)
        checker.check_log(self.database)
        checker.check_folded(self.database, events)
        if kafka_is_complete:
            wait_until(self.has_copied_all, "the whole log in Kafka")
            checker.check_kafka(events, self.log.store.id, records(self.broker))
