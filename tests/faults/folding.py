"""A process that folds the log as a member of a group until it is killed.

python -m tests.faults.folding URL DATABASE ADDRESS_FILE [PAUSE_AT [PLACE]]

It stops itself (SIGSTOP) when it comes to the event at position PAUSE_AT: where the PLACE is `fold`, before anything of
it is stored; where it is `commit`, inside the transaction that stores it, of which only the end is missing.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from pymongo import monitoring
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from adapters.kafka.lanes import KafkaFeed
from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.read_models.read_models import MongoReadModels
from application.ports.log import Recorded
from projections.engine import Engine
from projections.projection import Add, Notice, Projection, Put, Step
from projections.store import Cursor


def _fold_state(event: Recorded) -> Iterator[Step]:
    yield Put(event.stream, version=event.version, type=event.type)
    yield Add(event.stream, events=1)


def _fold_count(event: Recorded) -> Iterator[Put]:
    """No projection of the product makes ids up; here what is folded twice must leave two documents."""
    yield Put(uuid4(), event=event.id)


STATES = Projection("states", 1, _fold_state)
FOLDS = Projection("folds", 1, _fold_count)


class Silence:
    """Implements Notices, for nobody."""

    def publish(self, notices: Sequence[Notice], moved: Sequence[Cursor]) -> None:
        pass


def read_models(database: Database[dict[str, Any]], lanes: int) -> MongoReadModels:
    made = MongoReadModels(database)
    made.generations.prepare([STATES, FOLDS], {}, lanes)
    return made


def pausing(at: int, pause: Callable[[], object]) -> Projection:
    def fold(event: Recorded) -> Iterator[Put]:
        if event.position == at:
            pause()
        yield from _fold_count(event)

    return Projection(FOLDS.name, FOLDS.version, fold)


def pause() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


class CommitPause(CommandListener):
    """Pauses before the next commit of a transaction is sent, once it is due."""

    def __init__(self) -> None:
        self._is_due = threading.Event()

    def set(self) -> None:
        self._is_due.set()

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "commitTransaction" and self._is_due.is_set():
            self._is_due.clear()
            pause()

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


def main(url: str, name: str, address: str, pause_at: str = "0", place: str = "fold") -> None:
    in_commit = CommitPause()
    monitoring.register(in_commit)
    database = connect(url)[name]
    log = MongoEventLog(Journal(database))
    feed = KafkaFeed(log, Path(address).read_text)
    projections = [STATES, pausing(int(pause_at), {"fold": pause, "commit": in_commit.set}[place])]
    Engine(name, projections, feed, log, read_models(database, log.lanes), Silence()).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
