"""What has happened to letters and was not sent yet: stored in the transaction in which it happened."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from pymongo import InsertOne
from pymongo.database import Database

from adapters.mongo.connection import Document, durable, reachable
from projections.letters import Trouble
from projections.store import Move

OUTBOX = "dead_letter_outbox"
OLDEST_FIRST = [("moved", 1), ("number", 1)]


class Happened(msgspec.Struct, frozen=True, omit_defaults=True):
    """One letter was parked, or a stream's letters were retried, or one of them was discarded."""

    id: str
    """The same whenever it is sent."""
    what: str
    """`parked`, `retried` or `discarded`."""
    projection: str
    generation: int
    lane: int
    stream: UUID
    at: datetime
    moved: int
    """The position to which the projection went on with it."""
    position: int | None = None
    """Of the event that was parked or discarded."""
    type: str | None = None
    event: UUID | None = None
    trouble: Trouble | None = None


def happenings(move: Move, at: datetime) -> Iterator[Happened]:
    """In order: what was decided, then what is parked."""
    cursor = move.cursor
    place = cursor.projection, cursor.generation, cursor.lane
    prefix = f"{cursor.projection}/{cursor.generation}"
    for stream in move.released:
        discarded = next(iter(move.discarded), None)
        what = "discarded" if discarded else "retried"
        id = f"{prefix}/{what}/{move.position}"
        yield Happened(id, what, *place, stream, at, move.position, discarded)
    for one in move.letters:
        id, event = f"{prefix}/{one.position}/{move.position}", (one.position, one.type, one.event)
        yield Happened(id, "parked", *place, one.stream, at, move.position, *event, one.trouble)


def entries(happened: Iterator[Happened], namespace: str) -> Iterator[InsertOne[Document]]:
    for number, one in enumerate(happened):
        fields = msgspec.to_builtins(one, builtin_types=(UUID, datetime))
        yield InsertOne({"_id": fields.pop("id"), "number": number, **fields}, namespace=namespace)


class Outbox:
    """Read and emptied by one process at a time; a second one would send the same again."""

    def __init__(self, database: Database[Document]) -> None:
        self._entries = durable(database, OUTBOX)

    def oldest(self, limit: int) -> Sequence[Happened]:
        """Of each lane and generation in the order in which it happened. Raises LogUnavailable."""
        with reachable():
            found = list(self._entries.find(sort=OLDEST_FIRST, limit=limit))
        return [msgspec.convert({**one, "id": one["_id"]}, Happened, builtin_types=(UUID,)) for one in found]

    def sent(self, happened: Sequence[Happened]) -> None:
        """Raises LogUnavailable."""
        with reachable():
            self._entries.delete_many({"_id": {"$in": [one.id for one in happened]}})
