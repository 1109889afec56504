"""Which generation of each read model is live, which one is being built, and which one can be gone back to."""

import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec
from pymongo import IndexModel
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from adapters.mongo.connection import Document, durable, newest, reachable
from adapters.mongo.read_models.outbox import OLDEST_FIRST, OUTBOX
from adapters.mongo.transactions import Transactions
from projections.generations import Generation, NotCaughtUp, Pointer
from projections.projection import Projection

POINTER_SECONDS = 0.5


class CursorMissing(Exception):
    """The cursor of a read model is missing, so nobody knows how far it has come; it has to be rebuilt."""


class MongoGenerations:
    """Implements the port Generations: a collection for each, its cursors and dead letters beside those of others."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._pointers = durable(database, "generations")
        self._cursors = durable(database, "cursors")
        self._letters = durable(database, "dead_letters")
        self._transactions = Transactions(self._cursors)

    # At the start ---------------------------------------------------------------------------------------------

    def prepare(self, projections: Iterable[Projection], lane_heads: Mapping[int, int], lanes: int) -> None:
        """Make what is missing: a new read model starts at 0, a new effect at the head of each lane."""
        with reachable():
            self._letters.create_index([("projection", 1), ("generation", 1), ("lane", 1), ("stream", 1)])
            durable(self._database, OUTBOX).create_index(OLDEST_FIRST)
            for projection in projections:
                if self._pointers.find_one({"_id": projection.name}) is None:
                    self._make(projection, 1, lane_heads if projection.is_effect else {}, lanes)
                    self._point(projection)

    def _make(self, projection: Projection, generation: int, starts: Mapping[int, int], lanes: int) -> None:
        """Harmless where it is there."""
        collection = self._database[collection_name(projection.name, generation)]
        if projection.indexes:
            collection.create_indexes([IndexModel(list(keys)) for keys in projection.indexes])
        for lane in range(lanes):
            cursor = {"position": starts.get(lane, 0), "epoch": 0}
            self._cursors.update_one(
                {"_id": cursor_id(projection.name, generation, lane)}, {"$setOnInsert": cursor}, upsert=True
            )

    def _point(self, projection: Projection) -> None:
        """The pointer last: a projection is there when its pointer is."""
        made = {"_id": projection.name, "generation": 1, "version": projection.version, "last": 1}
        try:
            self._pointers.insert_one(made)
        except DuplicateKeyError:
            return

    # What there is --------------------------------------------------------------------------------------------

    def pointers(self) -> Mapping[str, Pointer]:
        with reachable():
            return {found["_id"]: as_pointer(found) for found in newest(self._pointers).find()}

    def pointer(self, projection: str) -> Pointer:
        with reachable():
            return as_pointer(there(projection, newest(self._pointers).find_one({"_id": projection})))

    def positions(self, projection: str, generation: int) -> Mapping[int, int]:
        with reachable():
            return self._positions(projection, generation)

    def _positions(self, projection: str, generation: int, session: ClientSession | None = None) -> dict[int, int]:
        found = self._cursors.find(cursors_of(projection, generation), session=session)
        return {lane_of(cursor["_id"]): cursor["position"] for cursor in found}

    # Changes --------------------------------------------------------------------------------------------------

    def begin(self, projection: Projection, request: UUID, lanes: int) -> Generation:
        pointer = self.pointer(projection.name)
        building = pointer.building
        if building and (building.version, building.request) != (projection.version, request):
            self.abandon(projection.name)
            building = None
        self._drop_dropped(projection.name)
        with reachable():
            if building is None:
                building = Generation(pointer.last + 1, projection.version, request)
                self._change(projection.name, {"last": pointer.last}, building=building, last=building.number)
            self._make(projection, building.number, {}, lanes)
        return building

    def begin_beside(self, projection: Projection, replay: UUID, after: int, lanes: int) -> Generation:
        pointer = self.pointer(projection.name)
        made = pointer.of_replay(replay)
        with reachable():
            if made is None:
                made = Generation(pointer.last + 1, projection.version, replay)
                beside = (*pointer.beside, made)
                self._change(projection.name, {"last": pointer.last}, beside=beside, last=made.number)
            self._make(projection, made.number, dict.fromkeys(range(lanes), after), lanes)
        return made

    def drop_beside(self, projection: str, replay: UUID) -> None:
        """It is forgotten last, so that a kill in between leaves nothing for ever."""
        with reachable():
            if made := self.pointer(projection).of_replay(replay):
                self._drop(projection, made.number)
                self._pointers.update_one({"_id": projection}, {"$pull": {"beside": {"number": made.number}}})

    def abandon(self, projection: str) -> None:
        with reachable():
            pointer = self.pointer(projection)
            if pointer.building:
                self._forget(pointer, projection, pointer.building, building=None)

    def drop_previous(self, projection: str) -> None:
        time.sleep(2 * POINTER_SECONDS)  # somebody may still read what was live until now
        with reachable():
            pointer = self.pointer(projection)
            if pointer.previous:
                self._forget(pointer, projection, pointer.previous, previous=None)

    def _forget(self, pointer: Pointer, projection: str, generation: Generation, **fields: None) -> None:
        dropped = (*pointer.dropped, generation.number)
        self._change(projection, {"generation": pointer.generation}, dropped=dropped, **fields)
        self._drop_dropped(projection)

    def _drop_dropped(self, projection: str) -> None:
        """What was forgotten is noted before its documents go, so that a kill in between leaves nothing for ever."""
        with reachable():
            for number in self.pointer(projection).dropped:
                self._drop(projection, number)
                self._pointers.update_one({"_id": projection}, {"$pull": {"dropped": number}})

    def _drop(self, projection: str, generation: int) -> None:
        """The cursors first, so that nobody can add to it any more."""
        for lane in self._positions(projection, generation):
            self._cursors.delete_one({"_id": cursor_id(projection, generation, lane)})
        self._letters.delete_many({"projection": projection, "generation": generation})
        self._database[collection_name(projection, generation)].drop()

    def pause(self, projection: str, *, is_paused: bool) -> None:
        with reachable():
            self._change(projection, {}, is_paused=is_paused)

    def hold(self, projection: str) -> None:
        with reachable():
            generation = self.pointer(projection).generation
            for lane in self._positions(projection, generation):
                self._transactions.take_over(cursor_id(projection, generation, lane), {"$inc": {"epoch": 1}})

    def swap(self, projection: str, to: Generation) -> None:
        """In one transaction: the live cursors are fenced off and compared, then the pointer is moved."""
        with reachable():
            self._transactions.run(lambda session: self._swap(projection, to, session))
        self._drop_dropped(projection)

    def _swap(self, projection: str, to: Generation, session: ClientSession) -> None:
        pointer = as_pointer(there(projection, self._pointers.find_one({"_id": projection}, session=session)))
        if pointer.generation == to.number:
            return
        for lane in self._positions(projection, pointer.generation, session):
            owned = {"_id": cursor_id(projection, pointer.generation, lane)}
            self._cursors.update_one(owned, {"$inc": {"epoch": 1}}, session=session)
        old, new = (self._positions(projection, number, session) for number in (pointer.generation, to.number))
        if behind := {lane for lane, position in old.items() if new[lane] < position}:
            raise NotCaughtUp(f"{projection}: lanes {sorted(behind)}")
        replaced = [one.number for one in (pointer.previous,) if one and one.number != to.number]
        self._change(
            projection,
            {"generation": pointer.generation},
            session,
            generation=to.number,
            version=to.version,
            request=to.request,
            compared=to.compared,
            digest=to.digest,
            previous=pointer.live,
            building=None,
            dropped=(*pointer.dropped, *replaced),
        )

    def _change(self, projection: str, expected: Document, session: ClientSession | None = None, **fields: Any) -> None:
        found = {"_id": projection, **expected}
        changed = {"$set": {name: msgspec.to_builtins(value, builtin_types=(UUID,)) for name, value in fields.items()}}
        if not self._pointers.update_one(found, changed, session=session).matched_count:
            raise NotCaughtUp(f"{projection}: somebody else has changed what is live; look again.")


class Pointers:
    """Live generations as last read: a reader may be late by POINTER_SECONDS, for the old generation stays a while."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}

    def get(self, projection: str) -> int | None:
        until, generation = self._known.get(projection, (0.0, 0))
        return generation if until > time.monotonic() else None

    def put(self, projection: str, generation: int) -> int:
        self._known[projection] = time.monotonic() + POINTER_SECONDS, generation
        return generation


def there(projection: str, found: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if found is None:
        raise CursorMissing(f"{projection} was never made; start with `runledger up`.")
    return found


def as_pointer(found: Mapping[str, Any]) -> Pointer:
    return msgspec.convert({"last": found["generation"], **found}, Pointer, builtin_types=(UUID,))


def collection_name(projection: str, generation: int) -> str:
    return f"{projection}_g{generation}"


def cursor_id(projection: str, generation: int, lane: int) -> str:
    return f"{projection}/{generation}/{lane}"


def cursors_of(projection: str, generation: int) -> Document:
    """Finds those of all lanes."""
    return {"_id": {"$gte": f"{projection}/{generation}/", "$lt": f"{projection}/{generation}0"}}


def lane_of(cursor: str) -> int:
    return int(cursor.rpartition("/")[2])
