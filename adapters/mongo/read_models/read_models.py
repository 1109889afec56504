"""Read models in Mongo: one collection per generation of a projection, its cursors and dead letters beside it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ClientBulkWriteException, PyMongoError

from adapters.mongo import holder
from adapters.mongo.connection import Document, durable, reachable
from adapters.mongo.read_models.generations import (
    CursorMissing,
    MongoGenerations,
    Pointers,
    collection_name,
    cursor_id,
    cursors_of,
    lane_of,
)
from adapters.mongo.read_models.moves import (
    CURSORS,
    DISCARDS,
    LETTERS,
    UNWRITABLE,
    New,
    Writes,
    as_letter,
    of_generation,
    parts,
    refusals,
    refused,
    size,
)
from adapters.mongo.transactions import Transactions
from projections.generations import Pointer
from projections.letters import Letter
from projections.projection import DocumentDamaged, Projection, Query, in_order, typed
from projections.store import BatchTooLarge, Cursor, CursorLost, Move, Part, Unstorable

T = TypeVar("T")

TRANSACTION_BYTES = 4 * 1024 * 1024
"""SecantusDB refuses a transaction of more than a fifteenth of its cache, each time; half of that is used."""
DUPLICATE_KEY = 11000
SMALL_BATCH = 16
"""So few documents are never too large together."""


class MongoReadModels:
    """Stores what projections yield; documents, letters and cursor change in one transaction."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._client = database.client
        self._cursors = durable(database, CURSORS)
        self._letters = durable(database, LETTERS)
        self._discards = durable(database, DISCARDS)
        self._writes = Writes(database)
        self._live = Pointers()
        self._transactions = Transactions(self._cursors)
        self.generations = MongoGenerations(database)

    # Owning a lane --------------------------------------------------------------------------------------------

    def claim(self, projection: Projection, lane: int) -> Cursor:
        return self.claim_generation(projection, self.generations.pointer(projection.name).generation, lane)

    def claim_generation(self, projection: Projection, generation: int, lane: int) -> Cursor:
        id = cursor_id(projection.name, generation, lane)
        with reachable():
            found = self._transactions.take_over(id, {"$inc": {"epoch": 1}})
        if found is None:
            raise CursorMissing(f"{projection.name}, generation {generation}, lane {lane}")
        part = msgspec.convert(found["part"], Part) if found.get("part") else None
        return Cursor(projection.name, generation, lane, found["position"], found["epoch"] + 1, part)

    def orphans(self, projection: Projection) -> frozenset[int]:
        generation = self.generations.pointer(projection.name).generation
        with reachable():
            cursors = self._cursors.find(cursors_of(projection.name, generation), {"holder": 1})
            return frozenset(lane_of(cursor["_id"]) for cursor in cursors if holder.is_gone(cursor.get("holder")))

    def pointers(self) -> Mapping[str, Pointer]:
        return self.generations.pointers()

    # Dead letters ---------------------------------------------------------------------------------------------

    def parked(self, cursor: Cursor) -> frozenset[UUID]:
        with reachable():
            return frozenset(self._letters.distinct("stream", {**of_generation(cursor), "lane": cursor.lane}))

    def letters(self, cursor: Cursor, stream: UUID) -> Sequence[Letter]:
        with reachable():
            found = list(self._letters.find({**of_generation(cursor), "lane": cursor.lane, "stream": stream}))
        return sorted(map(as_letter, found), key=lambda letter: letter.position)

    def discarded(self, projection: str) -> frozenset[int]:
        with reachable():
            return frozenset(found["position"] for found in self._discards.find({"projection": projection}))

    # Storing --------------------------------------------------------------------------------------------------

    def commit(self, moves: Sequence[Move]) -> None:
        changes = [change for move in moves for change in move.changes.values()]
        is_small = len(changes) <= SMALL_BATCH
        with _telling_what_is_refused(moves):
            if not is_small and size(changes) > TRANSACTION_BYTES:
                raise BatchTooLarge
            self._store(moves, {} if is_small else self._writes.new(moves))

    def _store(self, moves: Sequence[Move], new: New) -> None:
        self._transactions.run(lambda session: self._write(moves, new, session))

    def _write(self, moves: Sequence[Move], new: New, session: ClientSession) -> None:
        updates = [
            *(self._writes.step(move) for move in moves),
            *(put for move in moves for put in self._writes.puts(move, new)),
            *(discard for move in moves for discard in self._writes.discards(move)),
        ]
        letters = [write for move in moves for write in self._writes.letters(move)]
        try:
            written = self._client.bulk_write([*updates, *letters], session=session, verbose_results=True)
            for name, documents in new.items():
                if documents:
                    durable(self._database, name).insert_many(documents.values(), session=session)
        except (ClientBulkWriteException, BulkWriteError) as error:
            if any(refusal["code"] == DUPLICATE_KEY for refusal in refusals(error)):
                raise CursorLost from error
            raise (isinstance(error, ClientBulkWriteException) and error.error) or error from None
        if any(written.update_results[index].matched_count != 1 for index in range(len(moves))):
            raise CursorLost  # there is no such cursor any more

    def fill(self, move: Move) -> None:
        """Store a step of any size in a generation that nobody reads yet.

        Killed in the middle, the very same step has to be folded again, and goes on behind the cursor's `part`.
        Raises CursorLost or Unstorable.
        """
        with _telling_what_is_refused([move]):
            for part in parts(move, TRANSACTION_BYTES):
                self._fill(part)

    def _fill(self, part: Move) -> None:
        self._store([part], self._writes.new([part]))

    # Asking ---------------------------------------------------------------------------------------------------

    def generation(self, projection: str) -> int:
        """The live generation, as it was half a second ago at most."""
        if (known := self._live.get(projection)) is None:
            known = self._live.put(projection, self.generations.pointer(projection).generation)
        return known

    def positions(self, projection: str) -> Mapping[int, int]:
        """How far the live generation has come, by lane."""
        return self.generations.positions(projection, self.generation(projection))

    def find(self, query: Query, kind: type[T]) -> Sequence[T]:
        """What a query asks for, as the type given."""
        documents = self._documents(query.projection, self.generation(query.projection))
        with reachable():
            found = documents.find(query.filter, query.selection, sort=list(query.sort) or None, limit=query.limit)
            return [as_type(query.projection, document, kind) for document in found]

    def delete(self, projection: str, ids: Sequence[UUID]) -> None:
        """Remove documents of an effect, which are done."""
        with reachable():
            self._documents(projection, self.generation(projection)).delete_many({"_id": {"$in": list(ids)}})

    def _documents(self, projection: str, generation: int) -> Collection[Document]:
        return durable(self._database, collection_name(projection, generation))


@contextmanager
def _telling_what_is_refused(moves: Sequence[Move]) -> Iterator[None]:
    """Raises Unstorable, or LogUnavailable."""
    with reachable():
        try:
            yield
        except (PyMongoError, *UNWRITABLE) as error:
            if ids := refused(moves, error):
                raise Unstorable(f"the store refuses a document: {error}", ids) from error
            raise


class MongoTasks(Generic[T]):
    """One worker's tasks, as its projection wrote them."""

    def __init__(self, read_models: MongoReadModels, projection: Projection, kind: type[T]) -> None:
        self._read_models = read_models
        self._projection = projection
        self._kind = kind

    def pending(self) -> Sequence[T]:
        return self._read_models.find(in_order(self._projection.name), self._kind)

    def done(self, tasks: Sequence[UUID]) -> None:
        self._read_models.delete(self._projection.name, tasks)

    def reached(self) -> Mapping[int, int]:
        """Up to which position of each lane the tasks are made."""
        return self._read_models.positions(self._projection.name)


def as_type(projection: str, document: Mapping[str, Any], kind: type[T]) -> T:
    """A stored document as a type of its projection; `_id` is called `id` there. Raises DocumentDamaged."""
    try:
        return typed({**document, "id": document["_id"]}, kind)
    except msgspec.ValidationError as error:
        raise DocumentDamaged(projection, document["_id"], str(error)) from None
