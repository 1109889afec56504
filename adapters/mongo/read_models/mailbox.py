"""Dead letters in Mongo, as people look at them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from pymongo.database import Database

from adapters.mongo.connection import Document, durable, reachable
from adapters.mongo.read_models.generations import MongoGenerations
from adapters.mongo.read_models.moves import LETTERS
from projections.mailbox import Parked

SOME = {"$ne": None}


class MongoMailbox:
    """Implements the port Mailbox. Letters of generations that are not live are nobody's business."""

    def __init__(self, database: Database[Document]) -> None:
        self._letters = durable(database, LETTERS)
        self._generations = MongoGenerations(database)

    def all(self, projection: str | None = None) -> Sequence[Parked]:
        with reachable():
            found = [
                _parked(one)
                for live in self._live()
                if projection in {None, live["projection"]}
                for one in self._letters.find(live)
            ]
        return sorted(found, key=lambda letter: (letter.projection, letter.position))

    def causes(self) -> Sequence[Parked]:
        with reachable():
            return [_parked(one) for live in self._live() for one in self._letters.find({**live, "trouble": SOME})]

    def counts(self) -> Mapping[str, int]:
        with reachable():
            return {live["projection"]: self._letters.count_documents(live) for live in self._live()}

    def find(self, id: str) -> Parked | None:
        with reachable():
            found = self._letters.find_one({"_id": id})
        return _parked(found) if found else None

    def _live(self) -> Iterator[Document]:
        for name, pointer in self._generations.pointers().items():
            yield {"projection": name, "generation": pointer.generation}


def _parked(found: Mapping[str, Any]) -> Parked:
    return msgspec.convert({**found, "id": found["_id"]}, Parked, builtin_types=(UUID,))
