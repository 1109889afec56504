"""The parts of the log in one process: what its recorders, the event log and the relay share."""

import zlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from pymongo.database import Database

from adapters.mongo.bell import Bell, ChangeStreamBell
from adapters.mongo.commits import collection
from adapters.mongo.heads import Head, LaneHeads
from adapters.mongo.reading import Reading
from adapters.mongo.store import Store, open_store
from adapters.mongo.tail import Tail
from adapters.mongo.writer import Writer


class Journal:
    """One store's commits, opened. Makes the store, with this number of lanes, when there is none.

    `bell_of` makes the store's bell; without it a change stream serves.
    """

    def __init__(
        self,
        database: Database[dict[str, Any]],
        lanes_when_new: int = 8,
        bell_of: Callable[[Store], Bell] | None = None,
    ) -> None:
        self.database = database
        commits = collection(database)
        self.store: Store = open_store(database, lanes_when_new)
        self.bell = bell_of(self.store) if bell_of else ChangeStreamBell(commits)
        self.writer = Writer(Tail(commits, self.bell), self.bell)
        self.reading = Reading(commits)
        self.head = Head(commits)
        self.lane_heads = LaneHeads(commits, self.head, self.store.lanes)

    def lane_of(self, lane_key: UUID) -> int:
        """The lane of all streams with this key: CRC-32 of the key modulo the number of lanes, the same for ever."""
        return zlib.crc32(lane_key.bytes) % self.store.lanes

    def close(self) -> None:
        """Store what waits to be stored, and stop all threads."""
        self.writer.close()
        self.bell.close()
