"""What is decided once, when a store is made."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
from pymongo.errors import DuplicateKeyError

from adapters.mongo.commits import commits
from adapters.mongo.connection import Place, durable


class Store(msgspec.Struct, frozen=True):
    """One event store: mirrors of another one, or of this one before it was restored, carry another id."""

    id: UUID
    lanes: int
    """The number of lanes; fixed, because an event's lane is a hash modulo this number."""


def open_store(database: Place, lanes: int = 8) -> Store:
    """Read the store's document; the very first caller makes it, with this number of lanes, and the indexes before."""
    stores = durable(database, "store")
    found = stores.find_one({"_id": "store"}) or _make(database, lanes)
    return Store(found["id"], found["lanes"])


def _make(database: Place, lanes: int) -> dict[str, Any]:
    commits.prepare(database)
    stores = durable(database, "store")
    made = {"_id": "store", "id": uuid4(), "lanes": lanes}
    try:
        stores.insert_one(made)
    except DuplicateKeyError:
        return stores.find_one({"_id": "store"}) or made
    return made
