"""Read models as they lie there, for those who compare them with the log."""

from collections.abc import Iterator, Mapping
from typing import Any

import bson
from pymongo.database import Database

from adapters.mongo.connection import BSON, Document, durable, reachable
from adapters.mongo.read_models.generations import MongoGenerations, collection_name
from adapters.mongo.read_models.moves import DISCARDS, LETTERS
from projections.projection import DocumentId

PAGE = 1_000


class MongoStored:
    """Implements the port Stored."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._generations = MongoGenerations(database)

    def positions_of(self, projection: str, generation: int) -> Mapping[int, int]:
        return self._generations.positions(projection, generation)

    def skipped(self, projection: str, generation: int) -> frozenset[int]:
        of_generation = {"projection": projection, "generation": generation}
        with reachable():
            letters = durable(self._database, LETTERS).find(of_generation, {"position": 1})
            discards = durable(self._database, DISCARDS).find({"projection": projection}, {"position": 1})
            return frozenset(found["position"] for cursor in (letters, discards) for found in cursor)

    def documents(self, projection: str, generation: int) -> Iterator[tuple[DocumentId, dict[str, Any]]]:
        with reachable():
            for found in self._collection(projection, generation).find(batch_size=PAGE):
                yield found.pop("_id"), found

    def document(self, projection: str, generation: int, id: DocumentId) -> dict[str, Any] | None:
        """One as it lies there."""
        with reachable():
            found = self._collection(projection, generation).find_one({"_id": id})
        return None if found is None else {name: value for name, value in found.items() if name not in {"_id", "lane"}}

    def count(self, projection: str, generation: int) -> int:
        with reachable():
            return int(self._collection(projection, generation).estimated_document_count())

    def canonical(self, document: Mapping[str, Any]) -> bytes:
        """BSON with the fields in the order of their names: times in milliseconds, tuples as lists."""
        return bson.encode({name: document[name] for name in sorted(document)}, codec_options=BSON)

    def decoded(self, canonical: bytes) -> dict[str, Any]:
        return bson.decode(canonical, BSON)

    def _collection(self, projection: str, generation: int) -> Any:
        return durable(self._database, collection_name(projection, generation))
