"""The events that are written: as long as a typical one of this system."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import StoredEvent

from adapters.mongo.commits.commits import Commit, Line, document

TYPE = "Benchmark.Happened"
DATA = b"x" * 600
LANES = 8


def line(stream: UUID | None = None, version: int = 1, data: bytes = DATA) -> Line:
    return Line(stream or uuid4(), version, TYPE, version % LANES, data)


def documents(first: int = 1) -> Iterator[dict[str, Any]]:
    """What the log stores for one event after another, each in a commit of its own."""
    for position in count(first):
        yield document(position, datetime.now(UTC), [Commit([line()])])


def stored_event() -> StoredEvent:
    return StoredEvent(uuid4(), 1, TYPE, DATA)
