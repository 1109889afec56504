"""The collection `commits`: one document for all events that were stored together.

`_id` is its first position, `z` its last, `n` their number, `at` the commit time (it never falls), `c` the commit ids
of the callers grouped in it, `st` the streams, `l` the lanes, `k` one unique key per event, `e` the events.

A commit that was recorded with marks has them as `tr`, and one more key in `k` for each. A mark without events is a
document of its own, without a position (see `trail.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec
from bson.binary import Binary
from eventsourcing.persistence import IntegrityError
from pymongo.collection import Collection

from adapters.mongo.connection import Place, durable

Document = dict[str, Any]

MAX_EVENTS = 1_000
"""The most events one document holds; the search for the head relies on it."""
MAX_BYTES = 8 * 1024 * 1024
"""The most bytes one document holds, about; the server's limit is twice that."""


class Line(msgspec.Struct, frozen=True):
    """An event as it stands in a commit."""

    stream: UUID
    version: int
    type: str
    lane: int
    data: bytes
    """The envelope as JSON; written once, never encoded again."""


class Mark(msgspec.Struct, frozen=True, rename={"application": "a", "version": "v", "notification": "n"}):
    """How far this log has come in the notifications of another application."""

    application: str
    version: int
    """1, 2, 3 … for each application, so that nobody can go on from an old mark."""
    notification: int

    @property
    def key(self) -> Binary:
        """A stream of its own for each application."""
        return key(uuid5(MARKS, self.application), self.version)


MARKS = UUID("91151c76-e861-4f7c-aa01-f02a5865e57b")
"""The namespace of the applications' names."""


Placed = tuple[int, Line]
"""A position and the event there."""


class Commit:
    """Events that are stored all or not at all, under an id by which they are found again.

    Raises ValueError for no events or too many or too large ones, IntegrityError for two of the same stream and
    version: a unique index over an array does not see duplicates inside one document.
    """

    def __init__(self, lines: Sequence[Line], id: UUID | None = None, marks: Sequence[Mark] = ()) -> None:
        if not 0 < len(lines) <= MAX_EVENTS:
            raise ValueError(f"a commit holds 1 to {MAX_EVENTS} events, not {len(lines)}")
        self.id = id or uuid4()
        self.lines = lines
        self.marks = marks
        self.size = sum(len(line.data) + 200 for line in lines)
        """About how many bytes it takes in its document."""
        if self.size > MAX_BYTES:
            raise ValueError(f"a commit holds at most {MAX_BYTES} bytes, not {self.size}")
        self.keys = frozenset(_keys(lines, marks))
        self.is_doubtful = False
        """It may be stored already, or be stored by another process in a moment."""
        if len(self.keys) < len(lines) + len(marks):
            raise IntegrityError("two events of one commit have the same stream and version")


def key(stream: UUID, version: int) -> Binary:
    """What no two events share, as one scalar: an index over two fields of array elements would mix the elements up."""
    return Binary(stream.bytes + version.to_bytes(8, "big"))


def _keys(lines: Iterable[Line], marks: Iterable[Mark]) -> list[Binary]:
    """Those of the events first: by its first one a commit is found again."""
    return [*(key(line.stream, line.version) for line in lines), *(mark.key for mark in marks)]


def document(first: int, at: datetime, commits: Sequence[Commit]) -> Document:
    """Several callers' commits as one document whose first event has the position `first`."""
    lines = [line for commit in commits for line in commit.lines]
    marks = [mark for commit in commits for mark in commit.marks]
    return {
        "_id": first,
        "z": first + len(lines) - 1,
        "n": len(lines),
        "at": at,
        "c": [commit.id for commit in commits],
        "st": _distinct(line.stream for line in lines),
        "l": _distinct(line.lane for line in lines),
        "k": _keys(lines, marks),
        "e": [
            {"s": line.stream, "v": line.version, "t": line.type, "lane": line.lane, "d": line.data} for line in lines
        ],
        **({"tr": [msgspec.to_builtins(mark) for mark in marks]} if marks else {}),
    }


def _distinct(values: Iterator[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def lines(found: Mapping[str, Any]) -> Iterator[Placed]:
    """The events of one document with their positions."""
    for position, event in enumerate(found["e"], found["_id"]):
        yield position, Line(event["s"], event["v"], event["t"], event["lane"], event["d"])


def collection(database: Place) -> Collection[Document]:
    return durable(database, "commits")


def prepare(database: Place) -> None:
    """Make the collection with its indexes; harmless when they are there."""
    commits = collection(database)
    commits.create_index("k", unique=True)
    commits.create_index("z")
    commits.create_index("st")
    commits.create_index([("l", 1), ("z", 1)])
