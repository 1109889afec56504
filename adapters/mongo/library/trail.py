"""How far a log has come in the notifications of other applications: a trail of marks for each of them.

A mark stands in the document of the events that were recorded with it, or in one of its own, without a position, in the
same collection: one unique index holds both, so that nobody can take a step which has been taken. Marks are never
removed; a removed one could be taken again by somebody who was held up since.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar
from uuid import uuid4

import msgspec
from eventsourcing.persistence import IntegrityError, Tracking
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from adapters.mongo.commits.commits import Document, Mark
from adapters.mongo.connection import newest, operational
from adapters.mongo.writing.settling import refuse_known, settle

T = TypeVar("T")

REACH = 32
"""A look ahead goes 1, 2, 4 … 2**31 marks far."""


class Trail:
    """The last mark of each application; it is kept, for the trail only grows."""

    def __init__(self, commits: Collection[Document]) -> None:
        self._commits = commits
        self._newest = newest(commits)
        self._known: dict[str, Mark] = {}

    def end(self, application: str) -> Mark | None:
        """The last mark that a majority holds; None when there is none. Raises OperationalError."""
        known = self._known.get(application)
        with operational():
            while ahead := list(self._ahead(application, known)):
                known = self._known[application] = max(ahead, key=lambda mark: mark.version)
        return known

    def _ahead(self, application: str, known: Mark | None) -> Iterator[Mark]:
        """Some of those behind this one, as long as there are any: versions have no hole."""
        reached = known.version if known else 0
        keys = [Mark(application, reached + 2**power, 0).key for power in range(REACH)]
        for found in self._commits.find({"k": {"$in": keys}}, {"tr": 1}):
            marks = msgspec.convert(found["tr"], list[Mark])
            yield from (mark for mark in marks if mark.application == application)

    def follow(self, tracking: Tracking, store: Callable[[Mark], T]) -> T:
        """Take the next step with what `store` stores together with its mark.

        Raises IntegrityError when the application has been followed as far already, or what `store` raises.
        """
        mark = self._next(tracking)
        while True:
            try:
                stored = store(mark)
            except IntegrityError:
                self.end(tracking.application_name)
                taken, mark = mark, self._next(tracking)
                if mark == taken:
                    raise
            else:
                self._known[mark.application] = mark
                return stored

    def _next(self, tracking: Tracking) -> Mark:
        application = tracking.application_name
        last = self._known.get(application) or self.end(application)
        if last and last.notification >= tracking.notification_id:
            raise IntegrityError(
                f"{application} has been followed up to notification {last.notification} already; "
                f"{tracking.notification_id} is not after that"
            )
        return Mark(application, last.version + 1 if last else 1, tracking.notification_id)

    def take(self, mark: Mark) -> None:
        """Store a mark without events.

        Raises IntegrityError when the step was taken, OperationalError when the server cannot be reached (nothing was
        stored), OutcomeUnknown when it did not come back.
        """
        placing = {"_id": uuid4(), "k": [mark.key], "tr": [msgspec.to_builtins(mark)]}
        try:
            self._insert(placing)
        except PyMongoError as error:
            refuse_known(error)
            settle(partial(self._insert_again, placing))

    def _insert(self, placing: Document) -> None:
        try:
            self._commits.insert_one(placing)
        except DuplicateKeyError as error:
            raise IntegrityError("another process has followed this application farther") from error

    def _insert_again(self, placing: Document) -> bool:
        """Whether it is stored, and a majority holds it. Raises IntegrityError when the step is another's."""
        own = {"_id": placing["_id"]}
        try:
            self._insert(placing)
        except IntegrityError:
            if not self._newest.find_one(own):
                raise
            return self._commits.find_one(own) is not None
        return True
