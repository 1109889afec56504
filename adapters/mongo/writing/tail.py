"""Where commits are placed: right behind the last position, exactly once, whatever the network does."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from time import monotonic, sleep
from typing import Any

import msgspec
from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from adapters.mongo.commits.commits import Commit, Document, document, key, lines
from adapters.mongo.commits.heads import Head
from adapters.mongo.commits.recent import Recent
from adapters.mongo.connection import newest
from adapters.mongo.writing.bell import Bell
from adapters.mongo.writing.settling import PAUSE_SECONDS, SETTLE_SECONDS, OutcomeUnknown, refuse_known, settle

DUPLICATE_KEY = 11000


class _PositionTaken(Exception):
    """Another process stored a commit at this position."""


class _End(msgspec.Struct, frozen=True):
    """The last position and its commit time."""

    position: int
    at: datetime


ORIGIN = _End(0, datetime(1970, 1, 1, tzinfo=UTC))


class Tail:
    """Places commits behind one another. Used by one thread at a time; other processes may write as well."""

    def __init__(self, commits: Collection[Document], bell: Bell, recent: Recent) -> None:
        self._commits = commits
        self._bell = bell
        self._recent = recent
        self._newest = newest(commits)
        self._confirmed = ORIGIN
        """An end that a majority holds, so that no failover can take it back: no hole can open before the next one."""
        self._is_current = False

    def place(self, commits: Sequence[Commit]) -> int:
        """Store these as one document, all or none. Returns the first position.

        Raises IntegrityError when one of their events has the stream and version of a stored one, OperationalError when
        the server cannot be reached (nothing was stored), OutcomeUnknown when it did not come back.
        """
        while True:
            placing = document(*self._next(), commits)
            try:
                self._insert(placing)
            except _PositionTaken:
                continue
            self._move_to(placing)
            return int(placing["_id"])

    def place_doubtful(self, commit: Commit) -> int:
        """Store what another process was asked to store, and may have stored or store yet: exactly once.

        Raises IntegrityError, or OutcomeUnknown when the server cannot be reached.
        """
        if stored := self._find(commit):
            return stored
        try:
            return self.place([commit])
        except IntegrityError:
            if stored := self._find(commit):
                return stored
            raise
        except OperationalError as error:  # not by this process, that is
            raise OutcomeUnknown(str(error)) from error

    def _find(self, commit: Commit) -> int:
        """The first position of a commit that a majority holds; 0 when there is none."""
        first = commit.lines[0]
        query = {"k": key(first.stream, first.version), "c": commit.id}
        try:
            found = self._newest.find_one(query)
            if found is None:
                return 0
            self._await_majority({"_id": found["_id"], "c": commit.id})
        except PyMongoError as error:
            raise OutcomeUnknown(str(error)) from error
        return next(
            position for position, line in lines(found) if (line.stream, line.version) == (first.stream, first.version)
        )

    def place_each(self, commits: Iterable[Commit]) -> Iterator[int | PersistenceError]:
        """Store these one document each, so that only those in conflict fail.

        Yields each one's first position or error, in order.
        """
        waiting = list(commits)
        while waiting:
            placing = self._numbered(waiting)
            stored, trouble = self._insert_run(placing)
            for one in placing[:stored]:
                self._move_to(one)
                yield one["_id"]
            waiting = waiting[stored:]
            if isinstance(trouble, OperationalError):
                yield from [trouble] * len(waiting)
                return
            if isinstance(trouble, IntegrityError):
                yield trouble
                waiting = waiting[1:]

    def _numbered(self, commits: Iterable[Commit]) -> list[Document]:
        placing = []
        first, at = self._next()
        for commit in commits:
            placing.append(document(first, at, [commit]))
            first += len(commit.lines)
        return placing

    # Numbers --------------------------------------------------------------------------------------------------

    def _next(self) -> tuple[int, datetime]:
        """The next position, and a commit time not before the last one."""
        if not self._is_current:
            self._confirmed = self._read_end()
            self._is_current = True
        if self._bell.end > self._confirmed.position:
            self._confirmed = self._look(self._bell.end)
        return self._confirmed.position + 1, max(self._confirmed.at, datetime.now(UTC))

    @property
    def end(self) -> int:
        """The last position known to be held by a majority."""
        return self._confirmed.position

    def _look(self, heard: int) -> _End:
        """The end that the bell told of, if it is there: hearsay alone must not open a hole."""
        try:
            found = self._commits.find_one({"z": heard}, {"z": 1, "at": 1})
        except PyMongoError as error:
            raise OperationalError(f"the end of the log cannot be read: {error}") from error
        return _End(found["z"], found["at"]) if found else self._confirmed

    def _read_end(self) -> _End:
        try:
            position = Head(self._newest, self._confirmed.position).find()
            return self._await_majority({"z": position}) if position > self._confirmed.position else self._confirmed
        except PyMongoError as error:
            raise OperationalError(f"the end of the log cannot be read: {error}") from error

    def _await_majority(self, query: Document) -> _End:
        """What the primary shows may still be lost with it; go on only once a majority holds it."""
        deadline = monotonic() + SETTLE_SECONDS
        while monotonic() < deadline:
            found = self._commits.find_one(query, {"z": 1, "at": 1})
            if found:
                return _End(found["z"], found["at"])
            sleep(PAUSE_SECONDS)
        raise OutcomeUnknown("no majority of the event store's nodes confirms the last commit")

    def _move_to(self, placed: Document) -> None:
        self._confirmed = _End(placed["z"], placed["at"])
        self._is_current = True
        self._recent.add(placed)

    # Inserts --------------------------------------------------------------------------------------------------

    def _insert(self, placing: Document) -> None:
        try:
            self._commits.insert_one(placing)
        except DuplicateKeyError as error:
            self._refuse(error.details)
        except PyMongoError as error:
            self._recover([placing], error)

    def _insert_run(self, placing: list[Document]) -> tuple[int, Exception | None]:
        """How many were stored, and what stopped the next one."""
        stored = 0
        try:
            try:
                self._commits.insert_many(placing, ordered=True)
            except BulkWriteError as error:
                failures = error.details["writeErrors"]
                if not failures or failures[0]["code"] != DUPLICATE_KEY:
                    raise
                stored = failures[0]["index"]
                self._refuse(failures[0])
        except (_PositionTaken, IntegrityError) as trouble:
            return stored, trouble
        except PyMongoError as error:
            return self._recover_run(placing, error)
        return len(placing), None

    def _refuse(self, details: Any) -> None:
        """Tell a taken position from a version conflict; where both are true, the conflict is what counts."""
        if list(details.get("keyPattern", {})) == ["_id"]:
            self._is_current = False
            raise _PositionTaken
        raise IntegrityError(details.get("errmsg", "an event with this stream and version exists"))

    # Unknown outcomes -----------------------------------------------------------------------------------------

    def _recover_run(self, placing: list[Document], error: PyMongoError) -> tuple[int, Exception | None]:
        for stored, one in enumerate(placing):
            try:
                self._recover([one], error)
            except (_PositionTaken, PersistenceError) as trouble:
                return stored, trouble
        return len(placing), None

    def _recover(self, placing: list[Document], error: PyMongoError) -> None:
        """After trouble: nothing was stored (raises OperationalError), or it is found out whether it was."""
        self._is_current = False
        refuse_known(error)
        for one in placing:
            settle(partial(self._insert_again, one))

    def _insert_again(self, placing: Document) -> bool:
        """The same at the same position: never stored twice, never a false failure."""
        try:
            self._commits.insert_one(placing)
        except DuplicateKeyError as error:
            if not self._newest.find_one({"k": placing["k"][0], "c": placing["c"][0]}, {"_id": 1}):
                self._refuse(error.details)
            self._await_majority({"_id": placing["_id"], "c": placing["c"][0]})
        return True
