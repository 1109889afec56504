"""Dead letters in Mongo, as people look at them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from pymongo.database import Database

from adapters.mongo.connection import Document, durable, reachable
from adapters.mongo.generations import MongoGenerations
from adapters.mongo.moves import LETTERS
from projections.mailbox import Parked


class MongoMailbox:
    """Implements the port Mailbox. Letters of generations that are not live are nobody's business."""

    def __init__(self, database: Database[Document]) -> None:
        self._letters = durable(database, LETTERS)
        self._generations = MongoGenerations(database)

    def all(self, projection: str | None = None) -> Sequence[Parked]:
        live = [
            {"projection": name, "generation": pointer.generation}
            for name, pointer in self._generations.pointers().items()
            if projection in {None, name}
        ]
        with reachable():
            found = [_parked(one) for of_one in live for one in self._letters.find(of_one)]
        return sorted(found, key=lambda letter: (letter.projection, letter.position))

    def find(self, id: str) -> Parked | None:
        with reachable():
            found = self._letters.find_one({"_id": id})
        return _parked(found) if found else None


def _parked(found: Mapping[str, Any]) -> Parked:
    return msgspec.convert({**found, "id": found["_id"]}, Parked, builtin_types=(UUID,))
