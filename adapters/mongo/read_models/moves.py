"""A step of a read model as Mongo's writes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import bson
import msgspec
from bson.errors import InvalidDocument
from pymongo import DeleteMany, InsertOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ClientBulkWriteException, DocumentTooLarge

from adapters.mongo.connection import BSON, Document, durable
from adapters.mongo.read_models.generations import collection_name, cursor_id
from adapters.mongo.read_models.outbox import OUTBOX, entries, happenings
from projections.changes import Change
from projections.letters import Letter
from projections.projection import DocumentId
from projections.store import Cursor, Move, Part

Write: TypeAlias = UpdateOne | InsertOne[Document] | DeleteMany
New: TypeAlias = Mapping[str, Mapping[DocumentId, Document]]
"""Documents that are not there yet, by collection."""

DOCUMENT_BYTES = 16 * 1024 * 1024
UNWRITABLE = (DocumentTooLarge, InvalidDocument, OverflowError)
PERMANENT = {2, 9, 14, 40, 52, 57, 10334, 17280, 17419, 17420}
"""Error codes of a document that no server takes: too large, or with values or names that cannot be."""

LETTERS, DISCARDS, CURSORS = "dead_letters", "discards", "cursors"


class Writes:
    """Of one database: each write names its collection."""

    def __init__(self, database: Database[Document]) -> None:
        self._place = database
        self._database = database.name

    def step(self, move: Move) -> UpdateOne:
        """Moves the cursor while nobody else has claimed or moved it.

        Otherwise it is a second one with the same id, so the server refuses it and all that follows: an owner of old,
        stopped right here, holds no document of the lane.
        """
        moved = {"$set": {"position": move.position, "part": msgspec.to_builtins(move.part)}}
        return UpdateOne(_as_claimed(move.cursor), moved, upsert=True, namespace=f"{self._database}.{CURSORS}")

    def new(self, moves: Sequence[Move]) -> New:
        """To insert one costs half of an upsert. Nobody else makes them, for the moves' lanes are owned."""
        first: dict[str, dict[DocumentId, Document]] = defaultdict(dict)
        for move in moves:
            of_lane = first[collection(move.cursor)]
            of_lane |= {id: inserted(id, one, move.cursor.lane) for id, one in move.changes.items() if one.is_first}
        for name, documents in first.items():
            there = durable(self._place, name).find({"_id": {"$in": list(documents)}}, {"_id": 1}) if documents else ()
            for found in there:
                del documents[found["_id"]]
        return first

    def puts(self, move: Move, new: New) -> Iterator[UpdateOne]:
        name = collection(move.cursor)
        namespace, others = f"{self._database}.{name}", new.get(name, {})
        for id, change in move.changes.items():
            if id not in others:
                yield UpdateOne({"_id": id}, update(change, move.cursor.lane), upsert=True, namespace=namespace)

    def discards(self, move: Move) -> Iterator[UpdateOne]:
        for position in move.discarded:
            skipped = {"projection": move.cursor.projection, "position": position}
            yield UpdateOne(
                {"_id": f"{move.cursor.projection}/{position}"},
                {"$set": skipped},
                upsert=True,
                namespace=f"{self._database}.{DISCARDS}",
            )

    def letters(self, move: Move) -> Iterator[DeleteMany | InsertOne[Document]]:
        """What is released is taken out before what stays parked is put in again."""
        namespace = f"{self._database}.{LETTERS}"
        if move.released:
            yield DeleteMany(
                {**of_generation(move.cursor), "stream": {"$in": list(move.released)}}, namespace=namespace
            )
        for one in move.letters:
            yield InsertOne(_as_document(move.cursor, one), namespace=namespace)
        yield from entries(happenings(move, datetime.now(UTC)), f"{self._database}.{OUTBOX}")


def _as_claimed(cursor: Cursor) -> Document:
    """The cursor's document while nobody else has claimed or moved it."""
    return {
        "_id": cursor_id(cursor.projection, cursor.generation, cursor.lane),
        "epoch": cursor.epoch,
        "position": cursor.position,
        "part": msgspec.to_builtins(cursor.part),
    }


def of_generation(cursor: Cursor) -> Document:
    return {"projection": cursor.projection, "generation": cursor.generation}


def collection(cursor: Cursor) -> str:
    return collection_name(cursor.projection, cursor.generation)


def inserted(id: DocumentId, change: Change, lane: int) -> Document:
    return {"_id": id, **change.document, "lane": lane}


def update(change: Change, lane: int) -> Document:
    changed: Document = {"$set": {**change.set, "lane": lane}, "$max": {"position": change.position}}
    return {**changed, "$inc": change.add} if change.add else changed


def size(changes: Sequence[Change]) -> int:
    """Bytes, about."""
    return sum(len(bson.encode(change.document, codec_options=BSON)) for change in changes)


def parts(move: Move, most: int) -> Iterator[Move]:
    """The move in parts of so many bytes, in the order of the documents' ids, from behind the cursor's part on."""
    cursor = move.cursor
    waiting = sorted((id for id in move.changes if not cursor.part or str(id) > cursor.part.id), key=str)
    while True:
        number = _as_many_as_fit(move, waiting, most)
        changes, waiting = {id: move.changes[id] for id in waiting[:number]}, waiting[number:]
        if not waiting:
            yield msgspec.structs.replace(move, cursor=cursor, changes=changes)  # with what stands beside them all
            return
        part = Part(move.position, str(next(reversed(changes))))
        yield Move(cursor, cursor.position, changes, part=part)
        cursor = msgspec.structs.replace(cursor, part=part)


def _as_many_as_fit(move: Move, ids: Sequence[DocumentId], most: int) -> int:
    """How many of these documents take so many bytes together, one at least."""
    total = 0
    for number, id in enumerate(ids):
        total += size([move.changes[id]])
        if total > most and number:
            return number
    return len(ids)


# What cannot be stored ----------------------------------------------------------------------------------------


def refused(moves: Sequence[Move], error: Exception) -> frozenset[DocumentId]:
    """The documents for which the store, or the driver, has refused these moves for good; empty for other troubles."""
    if isinstance(error, UNWRITABLE):
        changes = ((id, change) for move in moves for id, change in move.changes.items())
        return frozenset(id for id, change in changes if not _is_writable(change))
    if isinstance(error, ClientBulkWriteException | BulkWriteError):
        ids = {id for move in moves for id in move.changes}
        return frozenset(ids & {_id_of(one["op"], error) for one in refusals(error) if one["code"] in PERMANENT})
    return frozenset()


def refusals(error: ClientBulkWriteException | BulkWriteError) -> Sequence[Document]:
    """What the server says of each write that it refuses."""
    found: Sequence[Document] = (error.details or {}).get("writeErrors", ())
    return found


def _id_of(write: Document, error: ClientBulkWriteException | BulkWriteError) -> Any:
    """Of the document that was to be inserted, or is to be found."""
    return (write if isinstance(error, BulkWriteError) else write.get("filter", {})).get("_id")


def _is_writable(change: Change) -> bool:
    try:
        return size([change]) <= DOCUMENT_BYTES
    except (InvalidDocument, OverflowError):
        return False


# Letters ------------------------------------------------------------------------------------------------------


def _as_document(cursor: Cursor, one: Letter) -> Document:
    fields = msgspec.to_builtins(one, builtin_types=(UUID, datetime))
    id = f"{cursor.projection}/{cursor.generation}/{one.position}"
    return {"_id": id, **of_generation(cursor), "lane": cursor.lane, **fields, "parked_at": datetime.now(UTC)}


def as_letter(found: Document) -> Letter:
    return msgspec.convert(found, Letter, builtin_types=(UUID,))
