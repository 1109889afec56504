"""The parts of the log in one process: what its recorders, the event log and the relay share."""

import zlib
from collections.abc import Callable, Sequence
from uuid import UUID

from adapters.mongo.commits.commits import Commit, Line, Mark, collection, prepare
from adapters.mongo.commits.heads import Head, LaneHeads
from adapters.mongo.commits.reading import Reading
from adapters.mongo.commits.recent import Recent
from adapters.mongo.connection import Place
from adapters.mongo.store import Store, open_store
from adapters.mongo.writing.bell import Bell, ChangeStreamBell
from adapters.mongo.writing.handover import AnswerMissing, Handover, NobodyWrites, Way
from adapters.mongo.writing.leadership import Leadership
from adapters.mongo.writing.tail import Tail
from adapters.mongo.writing.writer import Writer


class Journal:
    """One store's commits, opened. Makes the store, with this number of lanes, when there is none.

    `bell_of` makes the store's bell; without it a change stream serves. `ways` lead to the process that writes for all,
    the better first; without any, this one writes for itself.
    """

    def __init__(
        self,
        database: Place,
        lanes_when_new: int = 8,
        bell_of: Callable[[Store], Bell] | None = None,
        ways: Sequence[Way] = (),
    ) -> None:
        self.database = database
        commits = collection(database)
        self.store: Store = open_store(database, lanes_when_new)
        self.bell = bell_of(self.store) if bell_of else ChangeStreamBell(commits)
        self.recent = Recent()
        self.writer = Writer(Tail(commits, self.bell, self.recent), self.bell)
        self._handover = Handover(database, ways)
        self.leadership = Leadership(database, self.writer, ways)
        self.reading = Reading(commits)
        self.head = Head(commits)
        self.lane_heads = LaneHeads(commits, self.head, self.store.lanes)

    def append(self, lines: Sequence[Line], marks: Sequence[Mark] = ()) -> int:
        """Store these events and marks, all or none, and wait for it. Returns the position of the first event.

        Raises the library's IntegrityError when one of them is there already, OperationalError when the server
        cannot be reached (nothing was stored), OutcomeUnknown; ValueError when they are too many or too large.
        """
        commit = Commit(lines, marks=marks)
        if not self.leadership.is_held:
            try:
                return self._handover.hand(commit)
            except NobodyWrites:
                pass
            except AnswerMissing:
                commit.is_doubtful = True
        return self.writer.store(commit)

    def prepare(self) -> None:
        """Make what a store of an older version lacks; harmless when nothing is missing."""
        prepare(self.database)

    def lane_of(self, lane_key: UUID) -> int:
        """The lane of all streams with this key: CRC-32 of the key modulo the number of lanes, the same for ever."""
        return zlib.crc32(lane_key.bytes) % self.store.lanes

    def close(self) -> None:
        """Store what waits to be stored, and stop all threads."""
        self._handover.close()
        self.writer.close()
        self.bell.close()
