"""How far the relay has come, as it last wrote down with its lease: a few seconds ago, while it runs."""

from typing import Any

import msgspec
from pymongo.database import Database

from adapters.kafka.relay import ROLE
from adapters.mongo.connection import durable


class Progress(msgspec.Struct, frozen=True):
    """Everything up to `position` is in Kafka."""

    position: int = 0
    trouble: str = ""
    """What the relay waits for, in words; empty while it copies."""


def progress(database: Database[dict[str, Any]]) -> Progress:
    """That of the relay which is active, or was."""
    found = durable(database, "leases").find_one({"_id": ROLE})
    return msgspec.convert(found["state"], Progress) if found else Progress()
