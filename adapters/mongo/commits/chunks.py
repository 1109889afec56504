"""Large sealed content beside the log, in pieces named by the SHA-256 of their sealed bytes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from pymongo.database import Database

from adapters.mongo.connection import durable
from application.ports.seals import ContentUnreadable


class ContentMissing(ContentUnreadable):
    """A piece of this content is not in the store; restore it from a backup."""


class ContentDamaged(ContentUnreadable):
    """This content is not what was sealed; restore it from a backup."""


class Chunks:
    """The collection `chunks`. They are written before the commit that names them, and never changed."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._chunks = durable(database, "chunks")

    def put(self, sealed: bytes) -> str:
        """Store one piece and return its name. The same bytes are stored once."""
        name = sha256(sealed).hexdigest()
        self._chunks.update_one(
            {"_id": name}, {"$setOnInsert": {"at": datetime.now(UTC), "sealed": sealed}}, upsert=True
        )
        return name

    def get(self, names: Sequence[str]) -> Sequence[bytes]:
        """The pieces with these names, in their order. Raises ContentMissing, ContentDamaged."""
        return [self._piece(name) for name in names]

    def _piece(self, name: str) -> bytes:
        found = self._chunks.find_one({"_id": name})
        if found is None:
            raise ContentMissing(f"chunk {name}: {ContentMissing.__doc__}")
        if sha256(found["sealed"]).hexdigest() != name:
            raise ContentDamaged(f"chunk {name}: {ContentDamaged.__doc__}")
        return bytes(found["sealed"])
