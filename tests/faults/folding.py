"""A process that folds the log as a member of a group until it is killed.

python -m tests.faults.folding URL DATABASE ADDRESS_FILE [PAUSE_AT]

It stops itself (SIGSTOP) when it has folded the event at position PAUSE_AT and not stored it yet.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from pymongo.database import Database

from adapters.kafka.lanes import KafkaFeed
from adapters.mongo.connection import connect
from adapters.mongo.journal import Journal
from adapters.mongo.log import MongoEventLog
from adapters.mongo.read_models import MongoReadModels
from application.ports import Recorded
from projections.engine import Engine
from projections.projection import Notice, Projection, Put
from projections.store import Cursor


def _fold_state(event: Recorded) -> Iterator[Put]:
    yield Put(event.stream, version=event.version, type=event.type)


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


def pausing(at: int) -> Projection:
    def fold(event: Recorded) -> Iterator[Put]:
        if event.position == at:
            os.kill(os.getpid(), signal.SIGSTOP)
        yield from _fold_count(event)

    return Projection(FOLDS.name, FOLDS.version, fold)


def main(url: str, name: str, address: str, pause_at: str = "0") -> None:
    database = connect(url)[name]
    log = MongoEventLog(Journal(database))
    feed = KafkaFeed(log, Path(address).read_text)
    projections = [STATES, pausing(int(pause_at))]
    Engine(name, projections, feed, log, read_models(database, log.lanes), Silence()).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
