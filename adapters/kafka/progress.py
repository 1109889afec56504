"""How far the relay has come, as it writes it down with its lease every few seconds while it runs."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from pymongo.database import Database

from adapters.mongo import leases
from adapters.mongo.log.journal import Journal

ROLE = "relay"


class Refill(msgspec.Struct, frozen=True):
    """The events from `first` to `last` are sent again, or were."""

    number: int
    """That of the request. One with a higher number includes what was left of those before."""
    first: int
    last: int


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """The relay's state: everything up to `position` is in Kafka, unless Kafka has lost it since."""

    position: int = 0
    trouble: str = ""
    """What the relay waits for, in words; empty while it copies."""
    refill: Refill | None = None
    """The last one, also when it has ended."""

    @property
    def is_refilling(self) -> bool:
        return self.refill is not None and self.position < self.refill.last


class Behind(msgspec.Struct, frozen=True):
    """What the log holds and Kafka does not yet."""

    events: int
    seconds: float
    """Since the first of them was stored; 0 where there is none."""


def progress(database: Database[dict[str, Any]]) -> Progress:
    """That of the relay which is active, or was."""
    found = leases.look(database, ROLE)
    return msgspec.convert(found.state, Progress) if found else Progress()


def behind(journal: Journal, position: int) -> Behind:
    """How far a relay at this position is behind the log."""
    events = max(0, journal.head.find() - position)
    since = journal.reading.stored_at(position + 1) if events else None
    return Behind(events, (datetime.now(UTC) - since).total_seconds() if since else 0.0)
