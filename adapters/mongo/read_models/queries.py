"""Asynchronous reads of read models, for the API. The only place that knows Motor."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase

from adapters.mongo.connection import MAJORITY, Document, client_options, reachable
from adapters.mongo.read_models.generations import Pointers, collection_name, cursor_id, cursors_of, lane_of, there
from adapters.mongo.read_models.read_models import as_type
from projections.projection import Query, Sums

T = TypeVar("T")


class MotorReadModels:
    """Runs the queries of projections against their live generation."""

    def __init__(self, url: str, database: str) -> None:
        self._client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(url, **client_options())
        self._database: AsyncIOMotorDatabase[Document] = self._client.get_database(database, read_concern=MAJORITY)
        self._pointers = Pointers()

    async def find(self, query: Query, kind: type[T]) -> Sequence[T]:
        """What a query asks for, as the type given. Raises LogUnavailable or DocumentDamaged."""
        documents = self._database[collection_name(query.projection, await self.generation(query.projection))]
        with reachable():
            cursor = documents.find(query.filter, query.selection, sort=list(query.sort) or None, limit=query.limit)
            return [as_type(query.projection, document, kind) async for document in cursor]

    async def add_up(self, sums: Sums, kind: type[T]) -> Sequence[T]:
        """What the server adds up, as the type given. Raises LogUnavailable."""
        documents = self._database[collection_name(sums.projection, await self.generation(sums.projection))]
        day = {"$dateToString": {"date": f"${sums.time}", "format": "%Y-%m-%d"}}
        added = {"number": {"$sum": 1}, **{name: {"$sum": f"${name}"} for name in sums.numbers}}
        stages: list[Document] = [{"$match": sums.filter}, {"$group": {"_id": day, **added}}, {"$sort": {"_id": -1}}]
        with reachable():
            return [msgspec.convert({**one, "day": one["_id"]}, kind) async for one in documents.aggregate(stages)]

    async def generation(self, projection: str) -> int:
        """The live one. Raises LogUnavailable."""
        if (known := self._pointers.get(projection)) is None:
            with reachable():
                found = there(projection, await self._database["generations"].find_one({"_id": projection}))
            known = self._pointers.put(projection, int(found["generation"]))
        return known

    async def positions(self, projection: str, generation: int) -> Mapping[int, int]:
        """How far a read model has come, by lane; empty for a generation that is dropped. Raises LogUnavailable."""
        with reachable():
            found = self._database["cursors"].find(cursors_of(projection, generation))
            return {lane_of(cursor["_id"]): int(cursor["position"]) async for cursor in found}

    async def position(self, projection: str, generation: int, lane: int) -> int:
        """How far a read model has come in one lane; 0 for a generation that is dropped. Raises LogUnavailable."""
        with reachable():
            found = await self._database["cursors"].find_one({"_id": cursor_id(projection, generation, lane)})
        return int(found["position"]) if found else 0
