"""Read models in Mongo: one collection per generation of a projection, its cursors beside it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import bson
import msgspec
from pymongo import IndexModel, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ClientBulkWriteException, DuplicateKeyError
from pymongo.results import ClientBulkWriteResult

from adapters.mongo.connection import Document, durable, newest, reachable
from adapters.mongo.transactions import Transactions
from application.ports import Task
from projections import execution_status, sandbox_tasks
from projections.engine import BatchTooLarge, Cursor, CursorLost, Move
from projections.projection import Projection, Query

T = TypeVar("T")

POINTER_SECONDS = 0.5
TRANSACTION_BYTES = 4 * 1024 * 1024
"""SecantusDB refuses a transaction of more than a fifteenth of its cache, each time; half of that is used."""
DUPLICATE_KEY = 11000
SMALL_BATCH = 16
"""So few documents are never too large together."""


class OtherVersion(Exception):
    """A read model was built by another version of its projection and has to be rebuilt."""


class CursorMissing(Exception):
    """The cursor of a read model is missing, so nobody knows how far it has come; it has to be rebuilt."""


class MongoReadModels:
    """Stores what projections yield; documents and cursor change in one transaction."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._client = database.client
        self._generations = durable(database, "generations")
        self._cursors = durable(database, "cursors")
        self._pointers = Pointers()
        self._transactions = Transactions(self._cursors)

    def prepare(self, projections: Iterable[Projection], lane_heads: Mapping[int, int], lanes: int) -> None:
        """Make what is missing: a new read model starts at 0, a new effect at the head of each lane."""
        for projection in projections:
            with reachable():
                self._prepare(projection, lane_heads if projection.is_effect else {}, lanes)

    def _prepare(self, projection: Projection, starts: Mapping[int, int], lanes: int) -> None:
        found = self._generations.find_one({"_id": projection.name})
        if found is None:
            self._make(projection, starts, lanes)
        elif found["version"] != projection.version:
            raise OtherVersion(
                f"The read model {projection.name} has version {found['version']}, this program folds version "
                f"{projection.version}: run the program it was made with, or rebuild it."
            )

    def _make(self, projection: Projection, starts: Mapping[int, int], lanes: int) -> None:
        collection = self._database[collection_name(projection.name, 1)]
        indexes = [IndexModel(list(keys)) for keys in projection.indexes]
        collection.create_indexes([*indexes, IndexModel("position")])
        for lane in range(lanes):
            cursor = {"position": starts.get(lane, 0), "epoch": 0}
            self._cursors.update_one(
                {"_id": cursor_id(projection.name, 1, lane)}, {"$setOnInsert": cursor}, upsert=True
            )
        # The pointer last: a projection is there when its pointer is.
        try:
            self._generations.insert_one({"_id": projection.name, "generation": 1, "version": projection.version})
        except DuplicateKeyError:
            return

    def claim(self, projection: Projection, lane: int) -> Cursor:
        generation = self.generation(projection.name)
        id = cursor_id(projection.name, generation, lane)
        with reachable():
            found = self._transactions.take_over(id, {"$inc": {"epoch": 1}})
        if found is None:
            raise CursorMissing(f"{projection.name}, lane {lane}")
        return Cursor(projection.name, generation, lane, found["position"], found["epoch"] + 1)

    def commit(self, moves: Sequence[Move]) -> None:
        with reachable():
            self._transactions.run(lambda session: self._write(moves, session))

    def _write(self, moves: Sequence[Move], session: ClientSession) -> None:
        steps = [self._step(move.cursor, move.position) for move in moves]
        puts = [self._put(move.cursor, id, fields) for move in moves for id, fields in move.changes.items()]
        if len(puts) > SMALL_BATCH and self._size(moves) > TRANSACTION_BYTES:
            raise BatchTooLarge
        written = self._in_order([*steps, *puts], session)
        if any(written.update_results[index].matched_count != 1 for index in range(len(steps))):
            raise CursorLost  # there is no such cursor any more

    def _in_order(self, changes: Sequence[UpdateOne], session: ClientSession) -> ClientBulkWriteResult:
        try:
            return self._client.bulk_write(changes, session=session, verbose_results=True)
        except ClientBulkWriteException as error:
            if any(refused["code"] == DUPLICATE_KEY for refused in error.details["writeErrors"]):
                raise CursorLost from error
            raise error.error or error from None

    def _size(self, moves: Sequence[Move]) -> int:
        options = self._database.codec_options
        return sum(
            len(bson.encode(dict(fields), codec_options=options)) for move in moves for fields in move.changes.values()
        )

    def _step(self, cursor: Cursor, position: int) -> UpdateOne:
        """Moves the cursor while nobody else has claimed or moved it.

        Otherwise it is a second one with the same id, so the server refuses it and all that follows: an owner of old,
        stopped right here, holds no document of the lane.
        """
        as_claimed = {
            "_id": cursor_id(cursor.projection, cursor.generation, cursor.lane),
            "epoch": cursor.epoch,
            "position": cursor.position,
        }
        return UpdateOne(as_claimed, {"$set": {"position": position}}, upsert=True, namespace=self._cursors.full_name)

    def _put(self, cursor: Cursor, id: UUID, fields: Mapping[str, Any]) -> UpdateOne:
        namespace = f"{self._database.name}.{collection_name(cursor.projection, cursor.generation)}"
        return UpdateOne({"_id": id}, {"$set": {**fields, "lane": cursor.lane}}, upsert=True, namespace=namespace)

    def generation(self, projection: str) -> int:
        """The live generation, as it was half a second ago at most."""
        if (known := self._pointers.get(projection)) is None:
            with reachable():
                known = self._pointers.put(projection, newest(self._generations).find_one({"_id": projection}))
        return known

    def positions(self, projection: str) -> dict[int, int]:
        """How far it has come, by lane."""
        prefix = f"{projection}/{self.generation(projection)}/"
        with reachable():
            found = self._cursors.find({"_id": {"$regex": f"^{prefix}"}})
            return {int(cursor["_id"].removeprefix(prefix)): cursor["position"] for cursor in found}

    def find(self, query: Query, kind: type[T]) -> Sequence[T]:
        """What a query asks for, as the type given."""
        documents = self._documents(query.projection, self.generation(query.projection))
        with reachable():
            found = documents.find(query.filter, sort=list(query.sort) or None, limit=query.limit)
            return [as_type(document, kind) for document in found]

    def delete(self, projection: str, ids: Sequence[UUID]) -> None:
        """Remove documents of an effect, which are done."""
        with reachable():
            self._documents(projection, self.generation(projection)).delete_many({"_id": {"$in": list(ids)}})

    def _documents(self, projection: str, generation: int) -> Collection[Document]:
        return durable(self._database, collection_name(projection, generation))


class Pointers:
    """Generations as last read: a reader may be late by POINTER_SECONDS, for the old generation stays a while."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}

    def get(self, projection: str) -> int | None:
        until, generation = self._known.get(projection, (0.0, 0))
        return generation if until > time.monotonic() else None

    def put(self, projection: str, found: Mapping[str, Any] | None) -> int:
        """Raises CursorMissing when there is no such read model."""
        if found is None:
            raise CursorMissing(f"{projection} was never made; start with `runledger up`.")
        generation = int(found["generation"])
        self._known[projection] = time.monotonic() + POINTER_SECONDS, generation
        return generation


class MongoTasks:
    """One worker's tasks, as its projection wrote them."""

    def __init__(self, read_models: MongoReadModels, projection: Projection) -> None:
        self._read_models = read_models
        self._projection = projection

    def pending(self) -> Sequence[Task]:
        return self._read_models.find(sandbox_tasks.pending(self._projection), Task)

    def done(self, tasks: Sequence[UUID]) -> None:
        self._read_models.delete(self._projection.name, tasks)


class MongoUnfinishedRuns:
    def __init__(self, read_models: MongoReadModels) -> None:
        self._read_models = read_models

    def unfinished(self) -> Sequence[UUID]:
        return [
            run.id for run in self._read_models.find(execution_status.unfinished(), execution_status.ExecutionStatus)
        ]


def as_type(document: Mapping[str, Any], kind: type[T]) -> T:
    """A stored document as a type of its projection; `_id` is called `id` there."""
    return msgspec.convert(dict(document) | {"id": document["_id"]}, kind, builtin_types=(UUID, bytes, datetime))


def collection_name(projection: str, generation: int) -> str:
    return f"{projection}_g{generation}"


def cursor_id(projection: str, generation: int, lane: int) -> str:
    return f"{projection}/{generation}/{lane}"
