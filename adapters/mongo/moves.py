"""A step of a read model as Mongo's writes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

import bson
import msgspec
from bson.errors import InvalidDocument
from pymongo import DeleteMany, InsertOne, UpdateOne
from pymongo.database import Database
from pymongo.errors import ClientBulkWriteException, DocumentTooLarge

from adapters.mongo.connection import BSON, Document
from adapters.mongo.generations import collection_name, cursor_id
from projections.changes import Change
from projections.letters import Letter
from projections.projection import DocumentId
from projections.store import Cursor, Move

Write: TypeAlias = UpdateOne | InsertOne[Document] | DeleteMany

DOCUMENT_BYTES = 16 * 1024 * 1024
UNWRITABLE = (DocumentTooLarge, InvalidDocument, OverflowError)
PERMANENT = {2, 9, 14, 40, 52, 57, 10334, 17280, 17419, 17420}
"""Error codes of a document that no server takes: too large, or with values or names that cannot be."""

LETTERS, DISCARDS, CURSORS = "dead_letters", "discards", "cursors"


class Writes:
    """Of one database: each write names its collection."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database.name

    def step(self, cursor: Cursor, position: int) -> UpdateOne:
        """Moves the cursor while nobody else has claimed or moved it.

        Otherwise it is a second one with the same id, so the server refuses it and all that follows: an owner of old,
        stopped right here, holds no document of the lane.
        """
        moved = {"$set": {"position": position}}
        return UpdateOne(as_claimed(cursor), moved, upsert=True, namespace=f"{self._database}.{CURSORS}")

    def puts(self, move: Move) -> Iterator[UpdateOne]:
        namespace = f"{self._database}.{collection_name(move.cursor.projection, move.cursor.generation)}"
        for id, change in move.changes.items():
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


def as_claimed(cursor: Cursor) -> Document:
    """The cursor's document while nobody else has claimed or moved it."""
    return {
        "_id": cursor_id(cursor.projection, cursor.generation, cursor.lane),
        "epoch": cursor.epoch,
        "position": cursor.position,
    }


def of_generation(cursor: Cursor) -> Document:
    return {"projection": cursor.projection, "generation": cursor.generation}


def update(change: Change, lane: int) -> Document:
    changed: Document = {"$set": {**change.set, "lane": lane}, "$max": {"position": change.position}}
    return {**changed, "$inc": change.add} if change.add else changed


def size(changes: Sequence[Change]) -> int:
    """Bytes, about."""
    return sum(len(bson.encode(change.document, codec_options=BSON)) for change in changes)


# What cannot be stored ----------------------------------------------------------------------------------------


def refused(moves: Sequence[Move], error: Exception) -> frozenset[DocumentId]:
    """The documents for which the store, or the driver, has refused these moves for good; empty for other troubles."""
    if isinstance(error, UNWRITABLE):
        changes = ((id, change) for move in moves for id, change in move.changes.items())
        return frozenset(id for id, change in changes if not _is_writable(change))
    if isinstance(error, ClientBulkWriteException):
        ids = [id for move in moves for id in move.changes]
        errors = error.details.get("writeErrors", ())
        wrong = [one["idx"] - len(moves) for one in errors if one["code"] in PERMANENT]
        return frozenset(ids[index] for index in wrong if 0 <= index < len(ids))
    return frozenset()


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
